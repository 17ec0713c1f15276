"""The Python client where something that it calls fails: nothing may wait for ever."""

import asyncio
import time
from http import HTTPStatus

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from rtai_client import State, Token, TokenRefused, link
from tests.clients.talks import Tokens, client, hear, say, served, silence

pytestmark = pytest.mark.timeout(20)


class Unsteady(Tokens):
    """Comes to these ends in turn: an error or, for None, a token; then it always has one."""

    def __init__(self, *ends: Exception | None, life_s: float = 600) -> None:
        super().__init__()
        self._ends = list(ends)
        self._life_s = life_s

    async def __call__(self, fresh: bool) -> Token:
        self.error = self._ends.pop(0) if self._ends else None
        found = await super().__call__(fresh)
        return Token(found.value, time.time() + self._life_s)


@pytest.mark.parametrize("error", [ValueError("<html>"), KeyError("token"), OSError(), Exception()])
async def test_a_token_function_that_fails_is_called_again(error: Exception) -> None:
    tokens = Unsteady(error)

    async with served(silence) as url, client(url, tokens) as found:
        assert found.state is State.OPEN

    assert tokens.asked == [False, False]


async def test_a_fresh_token_is_asked_for_until_there_is_one() -> None:
    tokens = Unsteady(None, ValueError())

    async def refuse(socket: ServerConnection) -> None:
        await socket.close(4500, "{}")

    async with served(refuse, silence) as url, client(url, tokens) as found:
        while len(tokens.asked) < 3 or found.state is not State.OPEN:
            await asyncio.sleep(0.01)

    assert tokens.asked == [False, True, True]


async def test_a_renewal_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "LEAST_RENEWAL_S", 0.01)
    heard = asyncio.Event()

    async def listen(socket: ServerConnection) -> None:
        assert (await hear(socket))["type"] == "refresh"
        heard.set()

    async with served(listen) as url, client(url, Unsteady(None, ValueError(), life_s=1)):
        await heard.wait()


async def test_a_renewal_that_is_refused_for_good_leaves_the_connection_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link, "LEAST_RENEWAL_S", 0.01)
    tokens = Unsteady(None, TokenRefused(403, "Forbidden"), life_s=1)

    async def expire(socket: ServerConnection) -> None:
        while len(tokens.asked) < 2:
            await asyncio.sleep(0.01)
        assert tokens.asked == [False, True]
        await socket.close(4005, "{}")

    async with served(expire, silence) as url, client(url, tokens) as found:
        while len(tokens.asked) < 3 or found.state is not State.OPEN:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("nonsense", ["Bad gateway", "{}", '{"type": "subscribed"}'])
async def test_a_mistake_ends_everything_that_waits(nonsense: str) -> None:
    async def err(socket: ServerConnection) -> None:
        for _ in range(3):
            await hear(socket)
        await socket.send(nonsense)
        await socket.wait_closed()

    async with served(err) as url, client(url) as found:
        answer = await found.generate([{"role": "user", "content": "Hi"}])
        waiting = found.send("lobby", "Hi"), found.subscribe("lobby"), answer.whole()
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert found.state is State.CLOSED
        with pytest.raises((ValueError, KeyError)):
            await found.send("lobby", "Hi")

    assert all(isinstance(end, ValueError | KeyError) for end in ends)


async def test_a_listener_for_states_that_fails_ends_everything_that_waits() -> None:
    def fail(state: State) -> None:
        if state in (State.WAITING, State.CLOSED):
            raise RuntimeError(state)

    async def drop(socket: ServerConnection) -> None:
        await hear(socket)
        socket.transport.abort()

    async with served(drop) as url, client(url, on_state=fail) as found:
        with pytest.raises(RuntimeError):
            await found.send("lobby", "Hi")


@pytest.mark.parametrize(("refuses", "expected"), [(True, [1, 2, 3]), (False, [1, 1, 1])])
async def test_only_a_connection_that_was_open_makes_up_for_failures(
    monkeypatch: pytest.MonkeyPatch, refuses: bool, expected: list[int]
) -> None:
    monkeypatch.setattr(link, "STABLE_S", 0)
    failures: list[int] = []

    def delay(count: int, *_: object) -> float:
        failures.append(count)
        return 0

    monkeypatch.setattr(link, "delay", delay)

    def refuse(socket: ServerConnection, request: Request) -> Response | None:
        return socket.respond(HTTPStatus.SERVICE_UNAVAILABLE, "no") if refuses else None

    async def drop(socket: ServerConnection) -> None:
        socket.transport.abort()

    async with served(drop, process_request=refuse) as url:
        entering = asyncio.create_task(client(url).__aenter__())
        while len(failures) < 3:
            await asyncio.sleep(0.01)
        entering.cancel()

    assert failures[:3] == expected


async def test_a_connection_that_is_taken_for_dead_is_left_without_a_farewell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codes: asyncio.Queue[int | None] = asyncio.Queue()

    async def be_silent(socket: ServerConnection) -> None:
        await say(socket, {"type": "welcome", "heartbeat_s": 0})
        await socket.wait_closed()
        codes.put_nowait(socket.close_code)

    monkeypatch.setattr(link, "ANSWER_S", 1)
    async with served(be_silent, silence) as url, client(url):
        assert await codes.get() == 4000
