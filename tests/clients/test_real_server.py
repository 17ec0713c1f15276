"""The Python client against the product."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rtai_client import ApiTokens, Client, Refused, TokenRefused
from rtai_client.places import Frame
from tests.product import running

pytestmark = pytest.mark.processes
KEY = "k" * 40


async def test_it_chats_recovers_and_hears_verdicts(tmp_path: Path) -> None:
    with running(tmp_path / "var", RTAI_API_KEY=KEY) as product:
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


async def _texts(frames: AsyncIterator[Frame], count: int) -> list[str]:
    found: list[str] = []
    async for frame in frames:
        if frame["type"] == "message":
            found.append(frame["text"])
        if len(found) == count:
            break
    return found
