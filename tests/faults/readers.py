"""Visitors who ask an assistant and lose no character of its answer, whatever dies meanwhile."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.browser.storyteller import Storyteller
from tests.browser.test_assistant import SETTINGS
from tests.chatter import Chatter
from tests.product import ROOT, Product, running

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MEALS = ("soup", "bread", "rice", "salad")
STORY = " ".join(
    f"On {day} we had {meal} at home and then went for a walk." for day in DAYS for meal in MEALS
)
WORDS = STORY.split(" ")
FIRST = " ".join(WORDS[:5])
LONG_ANSWERS = """
from generation.models import AssistantModelRecord, AssistantRecord
for record in (AssistantModelRecord, AssistantRecord):
    record.objects.update(max_tokens=1000)
"""


@contextmanager
def telling_product(data_dir: Path, teller: Storyteller, server: str) -> Iterator[Product]:
    """Runs without limits, with one worker that writes what the teller tells."""
    environ = {"RTAI_DEMO": "1", "RTAI_GENERATION_WORKERS": "1", "RTAI_SERVER": server}
    with running(data_dir, **environ) as product:
        for command in (
            ["shell", "-c", SETTINGS.format(url=teller.url) + LONG_ANSWERS],
            ["limits", "off", "--all"],
        ):
            found = [sys.executable, "manage.py", *command]
            subprocess.run(found, cwd=ROOT, env=product.environ, check=True)
        yield product


class Reader(Chatter):
    """Asks in private, and resumes where it was after every drop."""

    def __init__(self, url: str, name: str = "Ada") -> None:
        super().__init__(url, name=name)
        self.id = ""
        self.text = ""
        self.drops = -1
        self.end: dict[str, Any] = {}
        self.refusal = ""

    async def ask(self, **fields: Any) -> None:
        turn = {"role": "user", "content": "Please count for me."}
        await self._send({"type": "generate", "ref": "r", "messages": [turn], **fields})

    def another(self) -> "Reader":
        """Another connection of the same user."""
        found = Reader(self.url, self.name)
        found._token = self._token
        return found

    async def leave(self) -> None:
        """Closes the connection for good, with a close frame where it still stands."""
        await self.__aexit__()

    async def _on_subscribed(self, frame: dict[str, Any]) -> None:
        self._subscribed.set()
        self.drops += 1
        if self.id and not self.end:
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


class StreamReader(Reader):
    """Asks in the stream or reads it, and goes on after a drop from what is under way there."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__(url, name)
        self.said = ""
        """The finished answer, as the stream's history has it."""

    async def _on_subscribed(self, frame: dict[str, Any]) -> None:
        self._position = self._position or {"epoch": frame["epoch"], "offset": frame["offset"]}
        self.seen.lost += not frame["recovered"]
        self._subscribed.set()
        self.drops += 1
        for each in frame["running"]:
            assert each["text"].startswith(self.text), "a piece was lost, or is another"
            self.id, self.text = each["id"], each["text"]

    async def _on_message(self, frame: dict[str, Any]) -> None:
        await super()._on_message(frame)
        if frame["id"] == self.id:
            self.said = frame["text"]
