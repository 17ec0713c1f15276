"""The Python client against the product, on either server."""

import time
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from rtai_client import ApiTokens, Client, Refused, State, Token, TokenRefused
from rtai_client.places import Frame
from tests.product import Product, running, until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]
KEY = "k" * 40
SHORT_S = 12
"""A token for so long is refreshed after five seconds."""


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def product(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("real") / "var"
    with running(folder, RTAI_API_KEY=KEY, RTAI_SERVER=request.param) as product:
        yield product


async def test_it_chats_recovers_and_hears_verdicts(product: Product) -> None:
    ada = ApiTokens(product.url, KEY, sub="ada", name="Ada")
    bob = ApiTokens(product.url, KEY, sub="bob", name="Bob")
    async with Client(product.url, ada) as writer, Client(product.url, bob) as reader:
        await reader.subscribe("lobby")
        await writer.subscribe("lobby")
        frames = reader.frames()

        verdict = await writer.send("lobby", "Good morning, everybody.")
        blocked = await writer.send("lobby", "I will find you and kill you.")
        again = await writer.send("lobby", "How are you today?")

        assert (verdict["action"], again["action"]) == ("allow", "allow")
        assert blocked["action"] != "allow"
        shown = await _texts(frames, 2)
        assert shown == ["Good morning, everybody.", "How are you today?"]
        with pytest.raises(Refused) as caught:
            await writer.subscribe("nowhere")
        assert caught.value.code == "not_found"
    with pytest.raises(TokenRefused):
        async with Client(product.url, ApiTokens(product.url, "wrong" * 10, sub="eve")):
            pass


async def test_a_dropped_connection_loses_and_doubles_nothing(product: Product) -> None:
    states = list[State]()
    ada = ApiTokens(product.url, KEY, sub="ada", name="Ada")
    bob = ApiTokens(product.url, KEY, sub="bob", name="Bob")
    async with (
        Client(product.url, ada) as writer,
        Client(product.url, bob, on_state=states.append) as reader,
    ):
        await reader.subscribe("lobby")
        await writer.subscribe("lobby")
        frames = reader.frames()
        texts = [f"Good morning to all {count} of you." for count in ("two", "three", "four")]
        await writer.send("lobby", texts[0])
        assert await _texts(frames, 1) == texts[:1]
        _drop(reader)
        _drop(writer)  # What is sent now goes out once it is back.
        verdicts = [await writer.send("lobby", text) for text in texts[1:]]

        assert [each["action"] for each in verdicts] == ["allow", "allow"]
        assert await _texts(frames, 2) == texts[1:]
        verdict = await writer.send("lobby", "That is all.")
        assert verdict["action"] == "allow"
        assert await _texts(frames, 1) == ["That is all."]
    assert states.count(State.OPEN) == 2


async def test_a_refreshed_connection_outlives_its_first_token(product: Product) -> None:
    states, ends = list[State](), list[float]()
    mint = ApiTokens(product.url, KEY, sub="cy", name="Cy", ttl_s=SHORT_S)

    async def tokens(fresh: bool) -> Token:
        found = await mint(True)
        ends.append(found.expires_at)
        return found

    before = _refreshes(product)
    async with Client(product.url, tokens, on_state=states.append) as client:
        await client.subscribe("lobby")
        async for frame in client.frames():
            if frame["type"] == "refreshed" and time.time() > ends[0] + 1:
                break
        assert (await client.send("lobby", "I am still here."))["action"] == "allow"
        assert states == [State.CONNECTING, State.OPEN]
    assert len(ends) >= 3
    until(lambda: _refreshes(product) - before >= 2, what="the server counted the refreshes")


def _refreshes(product: Product) -> float:
    """How many `refresh` frames the server has served."""
    lines = httpx.get(f"{product.url}/metrics").text.splitlines()
    found = [line for line in lines if line.startswith("rtai_frames_received_total")]
    return sum(float(line.split()[-1]) for line in found if '"refresh"' in line)


def _drop(client: Client) -> None:
    """Loses the connection without a word."""
    assert client._link._socket is not None
    client._link._socket.transport.abort()


async def _texts(frames: AsyncIterator[Frame], count: int) -> list[str]:
    found: list[str] = []
    async for frame in frames:
        if frame["type"] == "message":
            found.append(frame["text"])
        if len(found) == count:
            break
    return found
