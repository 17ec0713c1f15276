"""How the Python client goes on with answers after a drop, where that is refused."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from rtai_client import ConnectionClosed, Refused, State
from tests.clients.talks import client, hear, say, served, subscribed

pytestmark = pytest.mark.timeout(20)
QUESTION = [{"role": "user", "content": "Hi"}]
USAGE = {"prompt_tokens": 1, "completion_tokens": 2}
DONE = {"type": "done", "id": "g", "finish_reason": "stop", "usage": USAGE}


def refusal(code: str, **named: Any) -> dict[str, Any]:
    return {"type": "error", "code": code, "detail": "", "retryable": code == "overloaded", **named}


def token(start: int, text: str) -> dict[str, Any]:
    return {"type": "token", "id": "g", "from": start, "text": text}


async def begin(socket: ServerConnection) -> None:
    """Begins an answer, and drops the connection."""
    ref = (await hear(socket))["ref"]
    start = {"type": "start", "ref": ref, "id": "g", "stream": None, "model": "m"}
    await say(socket, start, token(0, "Hello"))
    await hear(socket)
    socket.transport.abort()


def resumed(*talk: Callable[[ServerConnection], Awaitable[None]]) -> Any:
    """Hears `resume`, and then does all this."""

    async def go_on(socket: ServerConnection) -> None:
        assert await hear(socket) == {"type": "resume", "id": "g", "from": 5}
        for each in talk:
            await each(socket)
        await socket.wait_closed()

    return go_on


async def test_an_answer_that_nobody_knows_any_more_ends() -> None:
    async def forget(socket: ServerConnection) -> None:
        await say(socket, refusal("not_found", id="g"))

    async with served(begin, resumed(forget)) as url, client(url) as found:
        answer = await found.generate(QUESTION)
        pieces = aiter(answer)
        assert await anext(pieces) == "Hello"
        await found.remove("lobby", "m1")
        with pytest.raises(Refused) as caught:
            await anext(pieces)

    assert caught.value.code == "not_found"


async def test_a_resume_that_is_refused_for_now_is_asked_for_again() -> None:
    async def refuse(socket: ServerConnection) -> None:
        await say(socket, refusal("overloaded", id="g", retry_after_ms=10))

    async def go_on(socket: ServerConnection) -> None:
        assert await hear(socket) == {"type": "resume", "id": "g", "from": 5}
        await say(socket, token(5, " there"), DONE)

    async with served(begin, resumed(refuse, go_on)) as url, client(url) as found:
        answer = await found.generate(QUESTION)
        pieces = aiter(answer)
        await anext(pieces)
        await found.remove("lobby", "m1")

        assert await anext(pieces) == " there"


async def test_an_answer_that_is_gone_refuses_no_subscription() -> None:
    async def go_on(socket: ServerConnection) -> None:
        asked = {each["type"]: each for each in (await hear(socket), await hear(socket))}
        await say(socket, refusal("not_found", id="g"), subscribed(asked["subscribe"], 7))
        await socket.wait_closed()

    async with served(begin, go_on) as url, client(url) as found:
        answer = await found.generate(QUESTION)
        await anext(aiter(answer))
        await found.remove("lobby", "m1")

        assert (await found.subscribe("lobby"))["offset"] == 7
        assert answer.is_over


async def test_a_question_too_old_to_be_asked_again_is_told_to_be_unconfirmed() -> None:
    asked: list[str] = []

    async def lose(socket: ServerConnection) -> None:
        asked.append((await hear(socket))["type"])
        socket.transport.abort()

    async def go_on(socket: ServerConnection) -> None:
        asked.append((await hear(socket))["type"])
        await socket.close(4503, "{}")

    async with served(lose, go_on) as url, client(url, ref_life_s=0) as found:
        answer = await found.generate(QUESTION)
        with pytest.raises(Refused) as caught:
            await answer.whole()
        with pytest.raises(ConnectionClosed):
            await found.subscribe("lobby")

    assert caught.value.code == "unconfirmed"
    assert asked == ["generate", "subscribe"]


async def test_what_was_never_sent_is_not_too_old() -> None:
    async def drop(socket: ServerConnection) -> None:
        socket.transport.abort()

    async def judge(socket: ServerConnection) -> None:
        ref = (await hear(socket))["ref"]
        await say(socket, {"type": "verdict", "ref": ref, "id": "1", "action": "allow"})
        await socket.wait_closed()

    async with served(drop, judge) as url, client(url, ref_life_s=0) as found:
        while found.state is State.OPEN:
            await asyncio.sleep(0.01)

        assert (await found.send("lobby", "Hi"))["action"] == "allow"
