"""What ends with the Python client, and what does not end it."""

import asyncio

import pytest
from websockets.asyncio.server import ServerConnection

import rtai_client.client as module
from rtai_client import ConnectionClosed
from tests.clients.talks import client, hear, message, say, served, silence, subscribed

pytestmark = pytest.mark.timeout(20)


async def test_a_client_that_nobody_waits_for_any_more_stops_trying() -> None:
    async with served(silence) as url:
        pass  # Nobody listens there now.
    before = asyncio.all_tasks()

    entering = asyncio.create_task(client(url).__aenter__())
    await asyncio.sleep(0.01)
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering

    assert asyncio.all_tasks() == before


async def test_frames_asked_for_after_the_end_are_none() -> None:
    async def ban(socket: ServerConnection) -> None:
        await socket.close(4503, "{}")

    async with served(ban) as url, client(url) as found:
        with pytest.raises(ConnectionClosed):
            await found.send("lobby", "Hi")
        assert [frame async for frame in found.frames()] == []


async def test_a_reader_that_stops_lets_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE", 1)

    async def tell(socket: ServerConnection) -> None:
        await say(socket, subscribed(await hear(socket)), *map(message, range(1, 9)))
        ref = (await hear(socket))["ref"]
        await say(socket, {"type": "verdict", "ref": ref, "id": "1", "action": "allow"})
        await socket.wait_closed()

    async with served(tell) as url, client(url) as found:
        frames = found.frames()
        await found.subscribe("lobby")
        await anext(frames)
        (queue,) = found._readers
        while not queue._putters:  # type: ignore[attr-defined]
            await asyncio.sleep(0.01)

        await frames.aclose()  # type: ignore[attr-defined]
        assert (await found.send("lobby", "Hi"))["action"] == "allow"
