"""Messages of the Python client, until they have a verdict."""

import asyncio
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from rtai_client import Refused
from tests.clients.talks import client, hear, say, served, silence


async def test_a_message_is_sent_again_under_its_ref_until_it_has_a_verdict() -> None:
    refs: list[str] = []

    async def lose(socket: ServerConnection) -> None:
        refs.append((await hear(socket))["ref"])
        socket.transport.abort()

    async def judge(socket: ServerConnection) -> None:
        refs.append((await hear(socket))["ref"])
        await say(socket, {"type": "verdict", "ref": refs[-1], "id": "1", "action": "allow"})
        await socket.wait_closed()

    async with served(lose, judge) as url, client(url) as found:
        verdict = await found.send("lobby", "Hi")

    assert verdict["action"] == "allow"
    assert len(refs) == 2
    assert len(set(refs)) == 1


async def test_a_message_too_old_to_be_sent_again_is_told_to_be_unconfirmed() -> None:
    async def lose(socket: ServerConnection) -> None:
        await hear(socket)
        socket.transport.abort()

    async with served(lose, silence) as url, client(url, ref_life_s=0) as found:
        with pytest.raises(Refused) as caught:
            await found.send("lobby", "Hi")

    assert caught.value.code == "unconfirmed"


async def test_who_sends_a_message_once_more_waits_for_the_same_verdict() -> None:
    heard: list[dict[str, Any]] = []
    came, asked = asyncio.Event(), asyncio.Event()

    async def judge(socket: ServerConnection) -> None:
        heard.append(await hear(socket))
        came.set()
        await asked.wait()
        await say(socket, {"type": "verdict", "ref": "r", "id": "1", "action": "allow"})
        heard.append(await hear(socket))
        await say(socket, {"type": "verdict", "ref": "r", "id": "1", "action": "allow"})
        await socket.wait_closed()

    async with served(judge) as url, client(url) as guest:
        first, second, impatient = (
            asyncio.create_task(guest.send("lobby", "hello", ref="r")) for _ in range(3)
        )
        await came.wait()
        with pytest.raises(ValueError, match="under way as 'r'"):
            await guest.send("lobby", "goodbye", ref="r")
        impatient.cancel()
        asked.set()
        verdicts = await asyncio.gather(first, second)
        assert verdicts[0] == verdicts[1]
        assert len(heard) == 1
        assert (await guest.send("lobby", "another", ref="r"))["action"] == "allow"

    assert [frame["text"] for frame in heard] == ["hello", "another"]


async def test_a_message_that_nobody_waits_for_is_not_sent_again() -> None:
    heard: list[str] = []
    came, left = asyncio.Event(), asyncio.Event()

    async def lose(socket: ServerConnection) -> None:
        heard.append((await hear(socket))["text"])
        came.set()
        await left.wait()
        socket.transport.abort()

    async def listen(socket: ServerConnection) -> None:
        heard.append((await hear(socket))["text"])
        await say(socket, {"type": "verdict", "ref": "s", "id": "1", "action": "allow"})
        await socket.wait_closed()

    async with served(lose, listen) as url, client(url) as guest:
        given_up = asyncio.create_task(guest.send("lobby", "given up", ref="r"))
        await came.wait()
        given_up.cancel()
        await asyncio.wait([given_up])
        left.set()
        await guest.send("lobby", "meant", ref="s")

    assert heard == ["given up", "meant"]


async def test_an_error_ends_its_message_and_no_other() -> None:
    async def refuse(socket: ServerConnection) -> None:
        first, second = await hear(socket), await hear(socket)
        error = {"code": "rate_limited", "detail": "Slow down.", "retryable": True}
        await say(socket, {"type": "error", "ref": first["ref"], "retry_after_ms": 9, **error})
        await say(socket, {"type": "verdict", "ref": second["ref"], "id": "1", "action": "hold"})
        await socket.wait_closed()

    async with served(refuse) as url, client(url) as found:
        first = asyncio.create_task(found.send("lobby", "a"))
        second = asyncio.create_task(found.send("lobby", "b"))
        with pytest.raises(Refused) as caught:
            await first
        assert (await second)["action"] == "hold"

    assert (caught.value.code, caught.value.retry_after_ms) == ("rate_limited", 9)
