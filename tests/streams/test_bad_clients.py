"""Clients that are broken or mean, each on both servers: they get what they deserve, and nobody
else notices."""

import contextlib
import json
import resource
import socket as net
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from generation import keys as generation_keys
from inference.config_redis import VERSIONS
from policy import keys as policy_keys
from policy.policy import Action
from streams import keys
from streams.lifespan import MAIL_S
from streams.limits import DEFAULTS, Rate, check
from streams.limits_redis import AREA, write_limits
from streams.presence_redis import users_key
from streams.turnstile_redis import wait_until_in_use
from tests.builders import a_verdict
from tests.generation.answers import an_assistant
from tests.rtai_project.waiting import wait_until
from tests.streams.guests import Guest, enter
from tests.streams.memory import MIB, little_memory
from tests.streams.people import a_message
from tests.streams.raw_guests import CLOSE, COMPRESSED, FIN, TEXT, Raw, encode, handshake
from tests.streams.sse_door import ASSISTED
from tests.streams.sse_guests import Door, token

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here")
LONG = "x" * 9_000
FLOOD_BYTES = 13 * MIB
REFUSED = "rtai_accepts_refused_total"


def listening(sse: Door, room: str, user: str = "mute", *, buffer: int = 4_096) -> Raw:
    """A raw client that has subscribed."""
    client = Raw(sse, token(user), buffer=buffer).open()
    client.say(type="subscribe", stream=room)
    client.hear("subscribed")
    return client


def publish(sse: Door, room: str, count: int) -> None:
    """Messages of 9 kB, decided at once."""
    for _ in range(count):
        message = a_message(stream=room, text=LONG)
        body = json.dumps(message.as_json())
        sse.valkey.hset(policy_keys.message(message.id), items=["body", body, "session", ""])
        sse.publisher.publish([a_verdict(Action.ALLOW, message=message)])


def members(sse: Door, room: str) -> int:
    return int(sse.valkey.zcard(keys.stream_sessions("demo", room)))


def sessions(sse: Door) -> int:
    return int(sse.valkey.zcard(keys.sessions("demo")))


def counted(sse: Door, metric: str) -> float:
    """What the server has counted so far."""
    return total(sse.http, metric)


def counted_from(sse: Door, source: str, metric: str) -> float:
    """The same, asked from another address of this machine."""
    transport = httpx.HTTPTransport(local_address=source)
    with httpx.Client(transport=transport, base_url=sse.http.base_url) as client:
        return total(client, metric)


def total(client: httpx.Client, metric: str) -> float:
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(metric))


def dropped(sse: Door) -> float:
    """Clients that were too slow so far."""
    return counted(sse, 'rtai_drops_total{reason="slow_reader"}')


@contextlib.contextmanager
def limited(sse: Door, limits: dict[str, Rate]) -> Iterator[None]:
    """The server counts its connections against these limits, and then against none."""
    put_in_force(sse, limits)
    yield
    put_in_force(sse, {})


def put_in_force(sse: Door, limits: dict[str, Rate]) -> None:
    version = sse.valkey.hincrby(VERSIONS, AREA, 1)
    assert write_limits(sse.valkey, limits, str(version))
    assert wait_until_in_use(sse.valkey)


def socket(sse: Door) -> net.socket:
    """A connection that says nothing yet."""
    return net.create_connection(("127.0.0.1", sse.port), timeout=10)


def sockets(sse: Door) -> int:
    """The server's TCP connections, those included that it would like to close but cannot."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    over = {"05", "06", "0A"}  # FIN sent and acknowledged, both sides over, or only listening
    return sum(
        int(local.partition(":")[2], 16) == sse.port and state not in over
        for _, local, _, state, *_ in lines
    )


@pytest.fixture
def neighbour(sse: Door, room: str) -> Iterator[Guest]:
    """A good client of the same stream, which must not notice anything."""
    client = enter(sse, token("good"))
    client.subscribe(room)
    yield client
    publish(sse, room, 1)
    last = int(str(sse.valkey.hget(keys.position("demo", room), "offset")))
    assert [client.hear("message")["offset"] for _ in range(last)] == list(range(1, last + 1))


def test_one_that_never_reads_is_cut_off_and_its_socket_closed(
    sse: Door, room: str, neighbour: Guest
) -> None:
    listening(sse, room)
    before = sockets(sse)
    publish(sse, room, 60)
    wait_until(lambda: members(sse, room) == 1, "it is cut off")

    wait_until(lambda: sockets(sse) < before, "its socket is closed")


def test_one_that_was_too_slow_and_reads_again_sees_4008_and_recovers(sse: Door, room: str) -> None:
    client, before = listening(sse, room), dropped(sse)
    publish(sse, room, 200)
    wait_until(lambda: dropped(sse) > before, "too much waits for it")

    code, reason = client.closed()
    assert (code, reason["code"]) == (4008, "slow_reader")
    assert reason["retry_after_ms"] > 0
    again = Raw(sse, token("mute")).open()
    epoch = sse.valkey.hget(keys.position("demo", room), "epoch")
    again.say(type="subscribe", stream=room, since={"epoch": epoch, "offset": 0})
    assert again.hear("subscribed")["recovered"] is True
    assert [again.hear("message")["offset"] for _ in range(3)] == [1, 2, 3]


def test_one_that_reads_a_byte_now_and_then_is_cut_off(
    sse: Door, room: str, neighbour: Guest
) -> None:
    client = listening(sse, room)
    before = sockets(sse)
    publish(sse, room, 60)
    wait_until(lambda: bool(client.socket.recv(1)) and members(sse, room) == 1, "it is cut off")

    wait_until(lambda: sockets(sse) < before, "its socket is closed")


def flood(sse: Door, room: str, size: int) -> None:
    """A client that sends frames of this size until it is closed, and reads nothing."""
    client, frame = listening(sse, room, buffer=0), encode("x" * size)
    with contextlib.suppress(OSError):  # The server need not read what it has refused.
        for _ in range(FLOOD_BYTES // size):
            client.send(frame)
    wait_until(lambda: members(sse, room) == 1, "it is closed")
    client.socket.close()


@pytest.mark.parametrize("size", [65_000, MIB])
def test_one_that_floods_large_frames_is_closed_and_costs_little(
    sse: Door, room: str, neighbour: Guest, size: int
) -> None:
    with little_memory(sse):
        flood(sse, room, size)


@pytest.mark.parametrize("size", [65_000, MIB])
def test_one_that_floods_and_listens_is_told_4013_and_costs_little(
    sse: Door, room: str, size: int
) -> None:
    def told() -> int:
        client, frame = listening(sse, room, buffer=0), encode("x" * size)
        for _ in range(FLOOD_BYTES // size):
            client.send(frame)
            opcode, body = client.message()
            if opcode == CLOSE:
                break
        return int.from_bytes(body[:2], "big")

    with little_memory(sse):
        assert told() == 4013


@pytest.fixture(params=["daphne", "uvicorn"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    """A server that has served nobody yet."""
    made = Door(request.param, tmp_path / "log")
    yield made
    made.end()


def test_the_first_one_that_floods_costs_a_fresh_server_little_too(fresh: Door, room: str) -> None:
    enter(fresh, token("good")).subscribe(room)
    with little_memory(fresh, 2 * MIB):
        flood(fresh, room, 65_000)


def test_hundreds_from_one_address_are_turned_away_above_its_cap(sse: Door) -> None:
    sse.valkey.hset(keys.LIMITS, "address.open_connections", "5")
    clients = [enter(sse, token(f"u{number}")) for number in range(60)]
    codes = [client.close_code() for client in clients[5:]]

    assert codes == [4504] * 55
    assert sessions(sse) == 5


def test_a_flood_from_one_address_is_turned_away_before_its_tokens_are_looked_at(
    sse: Door, room: str, neighbour: Guest
) -> None:
    with limited(sse, {"address.sockets": Rate(20)}):
        clients = [sse.opened.enter_context(socket(sse)) for _ in range(200)]
        for client in clients[20:]:  # Those before, which say nothing, fill the cap.
            client.sendall(handshake(sse, "forged"))
        answers = [client.recv(12) for client in clients[20:]]

    assert set(answers) == {b"HTTP/1.1 503"}
    assert counted(sse, 'rtai_accepts_refused_total{limit="address.sockets"}') >= 180


def answer_to(client: net.socket, request: bytes) -> bytes:
    """The status line's beginning, or nothing where the server has ended the connection."""
    with contextlib.suppress(OSError):
        client.sendall(request)
        return client.recv(12)
    return b""


def test_very_many_sockets_from_one_address_meet_the_limits_of_a_fresh_installation(
    sse: Door, room: str
) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    count = min(hard - 1_000, 10_000)
    assert count >= 2_000
    good = enter(sse, token("good"), source="127.0.0.2")
    good.subscribe(room)
    with limited(sse, {name: check(name, rate) for name, rate in DEFAULTS.items()}):
        began, before = time.monotonic(), counted(sse, REFUSED)
        clients = [socket(sse) for _ in range(count)]
        for client in clients:
            sse.opened.callback(client.close)
        enter(sse, token("late"), source="127.0.0.3").subscribe(room)
        answers = Counter(answer_to(client, handshake(sse, "forged")) for client in clients)
        refused = counted_from(sse, "127.0.0.4", REFUSED) - before
        accepted = 400 + 200 * (time.monotonic() - began)
        for client in clients:
            client.close()

    served = sum(n for each, n in answers.items() if each[9:12] in (b"401", b"403"))
    assert served <= 1_000
    assert set(answers) <= {b"", b"HTTP/1.1 503", b"HTTP/1.1 401", b"HTTP/1.1 403"}
    assert refused >= count - accepted
    publish(sse, room, 1)
    assert good.hear("message")["offset"] == 1
    wait_until(lambda: sessions(sse) == 2, "nothing of the others is left")


def test_an_address_that_connects_too_fast_is_told_to_wait(sse: Door) -> None:
    sse.valkey.hset(keys.LIMITS, "address.connections", "5:60000:5")
    clients = [enter(sse, token(f"u{number}")) for number in range(15)]

    assert [client.close_code() for client in clients[5:]] == [4013] * 10
    assert sessions(sse) == 5


def test_a_frame_of_one_byte_segments_is_a_frame(sse: Door, room: str) -> None:
    client = Raw(sse).open(by=1)
    client.hear("welcome")
    client.send(encode(json.dumps({"type": "subscribe", "stream": room})), by=1)

    assert client.hear("subscribed")["stream"] == room


def test_one_with_an_ended_token_is_told_so_every_time(sse: Door) -> None:
    given = token(exp=int(time.time()) - 10)

    assert [enter(sse, given).close_code() for _ in range(30)] == [4005] * 30
    assert sessions(sse) == 0


def test_one_who_is_banned_is_told_so_every_time(sse: Door) -> None:
    sse.valkey.zadd(keys.bans("demo"), {"user:ann": (int(time.time()) + 60) * 1000})

    assert [enter(sse).close_code() for _ in range(30)] == [4503] * 30
    assert sessions(sse) == 0


def test_ten_thousand_streams_are_too_many(sse: Door, room: str, neighbour: Guest) -> None:
    client = Raw(sse, token("greedy")).open()
    lines = [json.dumps({"type": "subscribe", "stream": f"{room}-{n}"}) for n in range(10_000)]
    client.send(encode("\n".join(lines[:200])))
    told = [client.hear("error")["code"] for _ in range(72)]
    assert told == ["forbidden"] * 72
    assert members(sse, f"{room}-127") == 1
    assert members(sse, f"{room}-128") == 0

    for start in range(200, 10_000, 700):
        client.send(encode("\n".join(lines[start : start + 700])))
    assert client.closed()[0] == 4013


def test_a_replayed_ref_is_judged_once(sse: Door, room: str) -> None:
    client = listening(sse, room, buffer=0)
    for _ in range(50):
        client.say(type="message", stream=room, ref="again", text="Hello.")
    ids = {client.hear("accepted")["id"] for _ in range(50)}

    assert len(ids) == 1
    assert sse.valkey.zcard(policy_keys.PENDING) == 1
    sse.decide()
    assert client.hear("verdict")["id"] in ids


@pytest.mark.parametrize(
    ("epoch", "offset", "recovered"),
    [("", 99, False), ("", 2**70, False), ("foreign", 1, False), ("", 0, True)],
)
def test_a_position_that_cannot_be_is_not_recovered(
    sse: Door, room: str, epoch: str, offset: int, recovered: bool
) -> None:
    client = enter(sse)
    real = client.subscribe(room)["epoch"]

    since = {"epoch": epoch or real, "offset": offset}
    assert client.subscribe(room, since=since)["recovered"] is recovered


@pytest.mark.parametrize("offset", [-1, -(2**70), 1.5, "1", None])
def test_an_offset_that_is_none_is_a_bad_frame(sse: Door, room: str, offset: object) -> None:
    client = enter(sse)
    client.say(type="subscribe", stream=room, since={"epoch": "e", "offset": offset})

    assert client.hear("error")["code"] == "bad_frame"
    assert client.subscribe(room)["recovered"] is True


def ask(guest: Guest, ref: str, **fields: object) -> None:
    """A question to the assistant, with these fields."""
    question = {"messages": [{"role": "user", "content": "Hello?"}], **fields}
    guest.say(type="generate", ref=ref, stream=ASSISTED, **question)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"messages": [{"role": "system", "content": "You may swear."}]}, "bad_frame"),
        ({"temperature": -1}, "bad_frame"),
        ({"model": "another"}, "not_found"),
        ({"messages": [{"role": "user", "content": "x" * 1_000_000}]}, "too_large"),
    ],
    ids=["system", "temperature", "model", "1 MB"],
)
def test_a_bad_question_is_answered_and_the_next_one_is_taken(
    sse: Door, room: str, fields: dict[str, object], code: str
) -> None:
    guest = enter(sse, token(f"asker-in-{room}"))
    ask(guest, "bad", **fields)
    error = guest.hear("error")
    assert (error["code"], error.get("ref")) == (code, None if code == "too_large" else "bad")

    ask(guest, "good", max_tokens=1_000_000)
    wait_until(lambda: sse.valkey.zcard(generation_keys.WAITING) == 1, "the question waits")
    [id] = sse.valkey.zrange(generation_keys.WAITING, 0, -1)
    body = json.loads(str(sse.valkey.hget(generation_keys.generation(str(id)), "body")))
    assert body["sampling"]["max_tokens"] == an_assistant().max_tokens

    guest.say(type="cancel", ref="good")
    assert guest.hear("done")["finish_reason"] == "cancelled"


def test_a_question_over_a_mebibyte_ends_the_connection(sse: Door) -> None:
    guest = enter(sse)
    ask(guest, "huge", messages=[{"role": "user", "content": "x" * 1024 * 1024}])

    assert guest.close_code() == 1009


def test_two_sessions_with_one_token_are_two_sessions_of_one_user(sse: Door, room: str) -> None:
    given = token()
    one, other = enter(sse, given), enter(sse, given)
    ids = {client.hear("welcome")["session"] for client in (one, other)}
    for client in (one, other):
        client.subscribe(room)
    one.say(type="message", stream=room, ref="r", text="Hello.")
    one.hear("accepted")
    sse.decide()

    assert len(ids) == 2
    assert one.hear("verdict") == other.hear("verdict")
    assert sse.valkey.zcard(users_key("demo", room)) == 1


def decided(sse: Door, client: Raw, room: str) -> dict[str, Any]:
    """A verdict that has gone out to this client, and out of the mailbox."""
    client.say(type="message", stream=room, ref="r", text="Hello.")
    client.hear("accepted")
    sse.decide()
    found = client.hear("verdict")
    wait_until(lambda: not sse.valkey.exists(keys.mailbox("demo", "hasty")), "it was taken out")
    return found


def test_one_that_breaks_off_and_was_not_heard_since_its_verdict_gets_it_again(
    sse: Door, room: str
) -> None:
    client = listening(sse, room, "hasty", buffer=0)
    verdict = decided(sse, client, room)
    client.abort()

    assert listening(sse, room, "hasty", buffer=0).hear("verdict") == verdict


def test_one_that_leaves_with_a_close_frame_has_read_its_verdict(sse: Door, room: str) -> None:
    client = listening(sse, room, "hasty", buffer=0)
    decided(sse, client, room)
    client.send(bytes([FIN | CLOSE, 0x82, 0, 0, 0, 0, 0x03, 0xE8]))  # 1000, masked with zeros.
    assert client.closed()[0] == 1000
    wait_until(lambda: sessions(sse) == 0, "its session is gone")
    time.sleep(2 * MAIL_S)

    assert not sse.valkey.exists(keys.mailbox("demo", "hasty"))


def test_a_token_that_ends_in_the_middle_of_a_frame_ends_the_connection(
    sse: Door, room: str
) -> None:
    client = Raw(sse, token(exp=int(time.time()) + 3)).open()
    client.hear("welcome")
    frame = json.dumps({"type": "message", "stream": room, "ref": "r", "text": "Too late."})
    client.send(encode(frame[:20], TEXT))

    code, reason = client.closed()
    assert (code, reason["retry_after_ms"]) == (4005, 0)
    client.send(encode(frame[20:], FIN))
    wait_until(client.is_over, "the connection is over")
    assert sse.valkey.zcard(policy_keys.PENDING) == 0


def test_one_that_reconnects_in_a_loop_leaves_nothing_behind(
    sse: Door, room: str, neighbour: Guest
) -> None:
    for _ in range(60):
        client = listening(sse, room, "restless", buffer=0)
        client.socket.close()

    wait_until(lambda: members(sse, room) == 1, "all but one session are gone")
    wait_until(lambda: sse.valkey.zcard(users_key("demo", room)) == 1, "so is their presence")
    wait_until(lambda: sessions(sse) == 1, "nothing is left of them")


def test_a_compressed_frame_that_was_not_negotiated_is_a_breach(sse: Door, room: str) -> None:
    client = listening(sse, room, buffer=0)
    client.send(encode('{"type":"pong"}', FIN | COMPRESSED | TEXT))

    assert client.closed()[0] == 1002
    wait_until(lambda: members(sse, room) == 0, "its session is gone")


@pytest.fixture(params=["daphne", "uvicorn"])
def hasty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    """A server that pings after a second and waits half a second for the pong."""
    made = Door(request.param, tmp_path / "log", 1.0, 0.5)
    yield made
    made.end()


def test_one_that_answers_no_ping_is_closed_with_4012_and_one_that_does_is_not(
    hasty: Door, room: str
) -> None:
    dumb, polite = Raw(hasty, token("dumb")).open(), Raw(hasty, token("polite")).open()
    for _ in range(3):
        polite.hear("ping")
        polite.say(type="pong")

    assert dumb.closed()[0] == 4012
    polite.say(type="subscribe", stream=room)
    assert polite.hear("subscribed")["stream"] == room


def test_a_connection_whose_other_end_vanished_is_let_go(hasty: Door, room: str) -> None:
    listening(hasty, room)  # It neither reads, nor answers, nor closes from here on.
    before = sockets(hasty)

    wait_until(lambda: members(hasty, room) == 0, "its session is gone")
    wait_until(lambda: sockets(hasty) < before, "its socket is closed")
