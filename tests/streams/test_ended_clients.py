"""What a server has in memory of clients that have gone: nothing, and without waiting for a
garbage collection, in which thousands of them would meet thousands who come back."""

import secrets
import signal
import time
from collections.abc import Callable

import pytest
from websockets.exceptions import InvalidStatus

from policy.policy import Action
from streams import bans_redis, keys
from tests.rtai_project.waiting import wait_until
from tests.streams.guests import Guest, enter
from tests.streams.sse_door import HELD
from tests.streams.sse_guests import Door, token


def held(sse: Door) -> dict[str, int]:
    """How many objects of clients the server has, by kind."""
    sse.valkey.delete(HELD)
    sse.process.send_signal(signal.SIGUSR1)
    wait_until(lambda: bool(sse.valkey.exists(HELD)), "the server has counted")
    found = sse.valkey.hgetall(HELD)
    return {str(kind): int(count) for kind, count in found.items() if int(count)}


def says_farewell(sse: Door, room: str) -> None:
    guest = enter(sse)
    guest.subscribe(room)
    guest.socket.close()


def breaks_off(sse: Door, room: str) -> None:
    guest = enter(sse)
    guest.subscribe(room)
    guest.socket.socket.close()


def talks(sse: Door, room: str) -> None:
    guest = enter(sse)
    guest.subscribe(room)
    guest.say(type="presence", stream=room)
    guest.hear("presence")
    guest.say(type="message", stream=room, ref=secrets.token_hex(4), text="Hello")
    sse.decide(Action.ALLOW)
    guest.hear("verdict")
    guest.say(type="refresh", token=token(role="moderator"))
    guest.hear("refreshed")
    guest.say(type="nonsense")
    guest.hear("error")
    guest.socket.close()


def is_kicked(sse: Door, room: str) -> None:
    guest = enter(sse)
    session = guest.hear("welcome")["session"]
    guest.subscribe(room)
    bans_redis.close_sessions(sse.valkey, "demo", "session", session)
    assert guest.close_code() == 4503


def comes_too_late(sse: Door, room: str) -> None:
    assert enter(sse, token(exp=int(time.time()) - 10)).close_code() == 4005


def is_banned(sse: Door, room: str) -> None:
    sse.valkey.zadd(keys.bans("demo"), {"user:bob": (int(time.time()) + 60) * 1000})
    assert enter(sse, token("bob")).close_code() == 4503


def is_refused(sse: Door, room: str) -> None:
    with pytest.raises(InvalidStatus):
        enter(sse, "nonsense")


ENDS = [says_farewell, breaks_off, talks, is_kicked, comes_too_late, is_banned, is_refused]


@pytest.mark.parametrize("end", ENDS)
def test_a_client_that_has_gone_is_gone_without_a_garbage_collection(
    sse: Door, room: str, end: Callable[[Door, str], None]
) -> None:
    wait_until(lambda: not held(sse), "nobody is left")
    for _ in range(3):
        end(sse, room)
    wait_until(lambda: not held(sse), f"{held(sse)} are gone")


def test_one_that_is_there_is_counted(sse: Door, room: str) -> None:
    guest: Guest = enter(sse)
    guest.subscribe(room)
    found = held(sse)

    assert found.pop("streams.sessions.Session") == 1
    assert found.pop("streams.consumers.StreamConsumer") == 1
    assert found == {f"rtai_project.websockets_{sse.server}.Protocol": 1}
