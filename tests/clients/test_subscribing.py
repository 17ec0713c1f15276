"""What becomes of the Python client's subscriptions, whatever comes between question and answer."""

import asyncio
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from rtai_client import Client, Refused
from rtai_client.places import Frame
from tests.clients.talks import client, hear, say, served, silence, subscribed

pytestmark = pytest.mark.timeout(20)
NOT_FOUND = {"type": "error", "code": "not_found", "detail": "", "retryable": False}


async def judge(socket: ServerConnection) -> None:
    """Answers the next message."""
    ref = (await hear(socket))["ref"]
    await say(socket, {"type": "verdict", "ref": ref, "id": "1", "action": "allow"})
    await socket.wait_closed()


async def give_up(found: Client, stream: str, heard: asyncio.Event) -> None:
    """Subscribes, and is cancelled when the server has heard of it."""
    asking = asyncio.create_task(found.subscribe(stream))
    await heard.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def first(found: Client, frames: Any, kind: str) -> Frame:
    async for frame in frames:
        if frame["type"] == kind:
            return dict(frame)
    raise AssertionError(kind)


async def test_a_refusal_of_a_cancelled_subscription_harms_nothing() -> None:
    heard, go = asyncio.Event(), asyncio.Event()

    async def refuse(socket: ServerConnection) -> None:
        await hear(socket)
        heard.set()
        await go.wait()
        await say(socket, NOT_FOUND)
        await judge(socket)

    async with served(refuse) as url, client(url) as found:
        frames = found.frames()
        await give_up(found, "nowhere", heard)
        go.set()

        assert (await first(found, frames, "unsubscribed"))["reason"] == "not_found"
        assert (await found.send("lobby", "Hi"))["action"] == "allow"


async def test_a_refusal_belongs_to_the_oldest_question() -> None:
    heard = asyncio.Event()

    async def answer(socket: ServerConnection) -> None:
        await hear(socket)
        heard.set()
        other = await hear(socket)
        await say(socket, NOT_FOUND, subscribed(other, 7))
        await socket.wait_closed()

    async with served(answer) as url, client(url) as found:
        await give_up(found, "nowhere", heard)

        assert (await found.subscribe("lobby"))["offset"] == 7


async def test_a_stream_that_is_gone_after_a_drop_refuses_no_other() -> None:
    asked: list[str] = []

    async def begin(socket: ServerConnection) -> None:
        await say(socket, subscribed(await hear(socket)))
        await hear(socket)
        socket.transport.abort()

    async def go_on(socket: ServerConnection) -> None:
        gone, other = await hear(socket), await hear(socket)
        asked.extend([gone["stream"], other["stream"]])
        await say(socket, NOT_FOUND, subscribed(other, 7))
        await socket.wait_closed()

    async with served(begin, go_on) as url, client(url) as found:
        await found.subscribe("gone")
        frames = found.frames()

        assert (await found.subscribe("lobby"))["offset"] == 7
        told = await first(found, frames, "unsubscribed")
        assert (told["stream"], told["reason"]) == ("gone", "not_found")

    assert asked == ["gone", "lobby"]


@pytest.mark.parametrize(
    "error", [{"ref": "long ago", "code": "too_large"}, {"code": "unauthorized"}, {"id": "m1"}]
)
async def test_an_error_about_something_else_refuses_no_subscription(error: dict[str, Any]) -> None:
    async def answer(socket: ServerConnection) -> None:
        asked = await hear(socket)
        await say(socket, {**NOT_FOUND, **error}, subscribed(asked, 7))
        await socket.wait_closed()

    async with served(answer) as url, client(url) as found:
        frames = found.frames()

        assert (await found.subscribe("lobby"))["offset"] == 7
        assert (await first(found, frames, "error")).items() >= error.items()


async def test_whoever_asks_for_the_same_stream_at_the_same_time_gets_an_answer() -> None:
    async def answer(socket: ServerConnection) -> None:
        one, two = await hear(socket), await hear(socket)
        await say(socket, subscribed(one, 7), subscribed(two, 7))
        await socket.wait_closed()

    async with served(answer) as url, client(url) as found:
        answers = await asyncio.gather(found.subscribe("lobby"), found.subscribe("lobby"))

    assert [each["offset"] for each in answers] == [7, 7]


async def test_who_leaves_and_comes_back_is_there() -> None:
    async def answer(socket: ServerConnection) -> None:
        await say(socket, subscribed(await hear(socket)))
        gone, back = await hear(socket), await hear(socket)
        await say(socket, {"type": "unsubscribed", "stream": gone["stream"]}, subscribed(back, 7))
        await socket.wait_closed()

    async with served(answer) as url, client(url) as found:
        await found.subscribe("lobby")
        await found.unsubscribe("lobby")

        assert (await found.subscribe("lobby"))["offset"] == 7


async def test_a_subscription_that_is_taken_back_is_not_waited_for() -> None:
    async with served(silence) as url, client(url) as found:
        asking = asyncio.create_task(found.subscribe("lobby"))
        await asyncio.sleep(0)
        await found.unsubscribe("lobby")
        with pytest.raises(Refused) as caught:
            await asking

    assert caught.value.code == "unsubscribed"
