"""A gateway or a worker dies in mid-answer: no character is lost, and nobody waits for ever."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from generation import keys
from inference import connection_redis
from tests.browser.storyteller import Storyteller, telling
from tests.browser.test_assistant import SETTINGS
from tests.chatter import Chatter
from tests.faults.checks import a_victim, kill
from tests.product import ROOT, Product, running

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MEALS = ("soup", "bread", "rice", "salad")
STORY = " ".join(
    f"On {day} we had {meal} at home and then went for a walk." for day in DAYS for meal in MEALS
)
WORDS = STORY.split(" ")
FIRST = " ".join(WORDS[:5])


@pytest.fixture
def teller() -> Iterator[Storyteller]:
    with telling() as made:
        yield made


@pytest.fixture
def product(tmp_path: Path, teller: Storyteller) -> Iterator[Product]:
    with running(tmp_path / "var", RTAI_DEMO="1", RTAI_GENERATION_WORKERS="1") as product:
        for command in (
            ["shell", "-c", SETTINGS.format(url=teller.url)],
            ["limits", "off", "--all"],
        ):
            found = [sys.executable, "manage.py", *command]
            subprocess.run(found, cwd=ROOT, env=product.environ, check=True)
        yield product


class Reader(Chatter):
    """Asks in private, and resumes where it was after every drop."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.id = ""
        self.text = ""
        self.drops = -1
        self.end: dict[str, Any] = {}
        self.refusal = ""

    async def ask(self, **fields: Any) -> None:
        turn = {"role": "user", "content": "Please count for me."}
        await self._send({"type": "generate", "ref": "r", "messages": [turn], **fields})

    async def _on_subscribed(self, frame: dict[str, Any]) -> None:
        self._subscribed.set()
        self.drops += 1
        if self.id:
            await self._send({"type": "resume", "id": self.id, "from": len(self.text)})

    async def _on_start(self, frame: dict[str, Any]) -> None:
        self.id = frame["id"]

    async def _on_token(self, frame: dict[str, Any]) -> None:
        assert frame["from"] == len(self.text), "a piece lacks, or was told twice"
        self.text += frame["text"]

    async def _on_done(self, frame: dict[str, Any]) -> None:
        self.end = frame

    async def _on_error(self, frame: dict[str, Any]) -> None:
        self.refusal = frame["code"]


def waiting(product: Product) -> int:
    """How many generations no worker has taken."""
    client = connection_redis.client(connection_redis.embedded_url(product.data_dir))
    return int(client.zcard(keys.WAITING))


async def tell_steadily(teller: Storyteller) -> None:
    """A few words at a time, for as long as the story lasts."""
    for _ in range(len(WORDS) // 5 + 1):
        teller.tell(5)
        await asyncio.sleep(0.15)


async def test_a_gateway_killed_in_mid_answer_loses_no_character(
    product: Product, teller: Storyteller
) -> None:
    teller.begin(STORY, 5)
    async with Reader(product.url) as reader:
        await reader.ask()
        await reader.until(lambda: reader.text == FIRST, within_s=60)
        telling = asyncio.create_task(tell_steadily(teller))
        await reader.until(lambda: len(reader.text) > 100)
        await kill(product, "server_daphne")
        await telling
        await reader.until(lambda: reader.end, within_s=60)

        assert reader.end["finish_reason"] == "stop"
        assert reader.text == STORY
        assert reader.drops >= 1


async def test_a_killed_gateways_answer_is_cancelled_for_who_wished_it_and_stays_away(
    product: Product, teller: Storyteller
) -> None:
    teller.begin(STORY, 5)
    async with Reader(product.url) as reader:
        await reader.ask(on_disconnect="cancel")
        await reader.until(lambda: reader.text == FIRST, within_s=60)
        a_victim(product, "server_daphne").kill()

    await reader.until(lambda: teller.hung_up == 1, within_s=60)


async def test_a_worker_killed_before_it_took_the_question_lets_nobody_wait(
    product: Product, teller: Storyteller
) -> None:
    teller.begin(STORY, 5)
    async with Reader(product.url) as reader:
        await reader.until(lambda: product.children("generation-1"))
        worker = a_victim(product, "generation-1")
        worker.suspend()
        await reader.ask()
        await reader.until(lambda: waiting(product) == 1)
        worker.kill()
        await reader.until(lambda: waiting(product) == 0, within_s=15)

        await reader.until(lambda: reader.text or reader.refusal, within_s=60)
        assert (reader.text or FIRST) == FIRST
        assert reader.refusal in ("", "model_unavailable")


async def test_a_worker_killed_in_mid_answer_is_told_within_fifteen_seconds(
    product: Product, teller: Storyteller
) -> None:
    teller.begin(STORY, 5)
    async with Reader(product.url) as reader:
        await reader.ask()
        await reader.until(lambda: reader.text == FIRST, within_s=60)
        a_victim(product, "generation-1").kill()
        await reader.until(lambda: reader.end, within_s=15)

        assert reader.end["finish_reason"] == "interrupted"
        assert reader.text == FIRST
