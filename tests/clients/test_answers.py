"""Answers in the Python client: over drops, refused, cancelled."""

from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from rtai_client import Refused
from tests.clients.talks import client, hear, say, served


async def test_an_answer_grows_over_a_drop_without_losing_a_character() -> None:
    asked: list[dict[str, Any]] = []

    async def begin(socket: ServerConnection) -> None:
        asked.append(await hear(socket))
        await say(
            socket,
            {"type": "start", "ref": asked[0]["ref"], "id": "g", "stream": None, "model": "m"},
            {"type": "token", "id": "g", "from": 0, "text": "Héllo"},
        )
        await socket.close(4001, "{}")

    async def go_on(socket: ServerConnection) -> None:
        asked.append(await hear(socket))
        usage = {"prompt_tokens": 1, "completion_tokens": 2}
        await say(
            socket,
            {"type": "token", "id": "g", "from": 3, "text": "lo the"},
            {"type": "token", "id": "g", "from": 9, "text": "re"},
            {"type": "done", "id": "g", "finish_reason": "stop", "usage": usage},
        )
        await socket.wait_closed()

    async with served(begin, go_on) as url, client(url) as found:
        answer = await found.generate([{"role": "user", "content": "Hi"}], max_tokens=9)
        pieces = [piece async for piece in answer]

    assert "".join(pieces) == answer.text == "Héllo there"
    assert (answer.finish_reason, answer.model) == ("stop", "m")
    assert asked[0]["max_tokens"] == 9
    assert asked[1] == {"type": "resume", "id": "g", "from": 5}


async def test_an_answer_that_is_refused_raises() -> None:
    async def refuse(socket: ServerConnection) -> None:
        ref = (await hear(socket))["ref"]
        error = {"code": "unsupported", "detail": "No assistant.", "retryable": False}
        await say(socket, {"type": "error", "ref": ref, **error})
        await socket.wait_closed()

    async with served(refuse) as url, client(url) as found:
        answer = await found.generate([{"role": "user", "content": "Hi"}])
        with pytest.raises(Refused):
            await answer.whole()


async def test_an_answer_is_cancelled_by_its_ref_until_it_has_an_id() -> None:
    heard: list[dict[str, Any]] = []

    async def listen(socket: ServerConnection) -> None:
        heard.extend([await hear(socket), await hear(socket)])
        usage = {"prompt_tokens": 0, "completion_tokens": 0}
        done = {"type": "done", "id": "g", "finish_reason": "cancelled", "usage": usage}
        await say(socket, {**done, "ref": heard[0]["ref"]})
        await socket.wait_closed()

    async with served(listen) as url, client(url) as found:
        answer = await found.generate([{"role": "user", "content": "Hi"}])
        await answer.cancel()
        assert await answer.whole() == ""

    assert heard[1] == {"type": "cancel", "ref": heard[0]["ref"]}
    assert answer.finish_reason == "cancelled"


async def test_a_cancel_before_the_start_that_is_refused_for_now_is_said_again() -> None:
    heard: list[dict[str, Any]] = []

    async def talk(socket: ServerConnection) -> None:
        ref = (await hear(socket))["ref"]
        heard.append(await hear(socket))
        later = {"retryable": True, "retry_after_ms": 1}
        await say(socket, {"type": "error", "ref": ref, "code": "overloaded", **later})
        heard.append(await hear(socket))
        usage = {"prompt_tokens": 1, "completion_tokens": 0}
        ended = {"finish_reason": "cancelled", "usage": usage}
        await say(socket, {"type": "start", "ref": ref, "id": "g", "model": "m"})
        await say(socket, {"type": "done", "id": "g", **ended})
        await socket.wait_closed()

    async with served(talk) as url, client(url) as guest:
        answer = await guest.generate([{"role": "user", "content": "hi"}])
        await answer.cancel()
        assert await answer.whole() == ""

    assert [frame["type"] for frame in heard] == ["cancel", "cancel"]
    assert answer.finish_reason == "cancelled"


async def test_a_cancel_refused_for_now_is_said_again() -> None:
    heard: list[str] = []

    async def talk(socket: ServerConnection) -> None:
        ref = (await hear(socket))["ref"]
        await say(socket, {"type": "start", "ref": ref, "id": "g", "model": "m"})
        await say(socket, {"type": "token", "id": "g", "from": 0, "text": "Well"})
        while "cancel" not in heard[1:]:
            heard.append((await hear(socket))["type"])
            if heard == ["cancel"]:
                later = {"retryable": True, "retry_after_ms": 1}
                await say(socket, {"type": "error", "id": "g", "code": "overloaded", **later})
        usage = {"prompt_tokens": 1, "completion_tokens": 0}
        await say(socket, {"type": "done", "id": "g", "finish_reason": "cancelled", "usage": usage})
        await socket.wait_closed()

    async with served(talk) as url, client(url) as guest:
        answer = await guest.generate([{"role": "user", "content": "hi"}])
        assert await anext(aiter(answer)) == "Well"
        await answer.cancel()
        assert await answer.whole() == "Well"

    assert heard == ["cancel", "resume", "cancel"]
    assert answer.finish_reason == "cancelled"
