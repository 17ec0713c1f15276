"""Puts exchanges together into dialogues: a greeting, one to four topics, a farewell."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.chat_sources import Dialogue
from training.dialogues.grammar import FOLDER, capitals, expand, lists
from training.holdout import fingerprint, held_out
from training.rows import read

WEIGHTS = {
    "talk": 1.3, "site": 1.5, "support": 1.6, "daily": 1.0, "leisure": 1.0, "service": 1.2,
    "curious": 1.1, "clinc": 0.3,
}  # fmt: skip
"""How often a topic of each file is chosen; `clinc` are CLINC150's questions."""


@dataclass(frozen=True, slots=True)
class Step:
    """Ways to say one thing, and ways to answer it."""

    said: tuple[str, ...]
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Topic:
    """An exchange of one or more steps; `named` ones need a name in the system prompt."""

    name: str
    steps: tuple[Step, ...]
    named: bool = False


class Writer:
    """Writes dialogues of our own; `data` is the folder that holds CLINC150's questions."""

    def __init__(self, data: Path) -> None:
        files = (name for name in WEIGHTS if name != "clinc")
        found = [*(topic for name in files for topic in topics(name)), *_questions(data)]
        self._all = [each for each in found if not each.name.startswith(("talk.hello", "talk.bye"))]
        self._hello = [each for each in found if each.name.startswith("talk.hello")]
        self._bye = [each for each in found if each.name.startswith("talk.bye")]
        self._weights = [WEIGHTS[each.name.partition(".")[0]] for each in self._all]

    def write(self, count: int, seed: int) -> list[Dialogue]:
        """So many dialogues; the same for the same seed. Held-out sentences are left out."""
        dice = random.Random(f"own {seed}")
        found = (self._dialogue(dice) for _ in range(count))
        known = held_out()
        return [each for each in found if not known.intersection(map(fingerprint, each.turns))]

    def _dialogue(self, dice: random.Random) -> Dialogue:
        name = dice.choice(lists("slots.txt")["myname"]) if dice.random() < 0.15 else ""
        turns: list[str] = []
        for topic in self._topics(dice, bool(name)):
            turns += _exchange(topic, dice, {"myname": name})
        prompt = system(dice, name) if name or dice.random() < 0.45 else ""
        return Dialogue(tuple(turns), "own", prompt)

    def _topics(self, dice: random.Random, has_name: bool) -> Iterator[Topic]:
        if dice.random() < 0.25:
            yield dice.choice(self._hello)
        for topic in dice.choices(self._all, self._weights, k=dice.choice((1, 1, 2, 2, 3, 4))):
            if has_name or not topic.named:
                yield topic
        if has_name:
            yield dice.choice([each for each in self._all if each.named])
        if dice.random() < 0.3:
            yield dice.choice(self._bye)


def topics(file: str) -> Iterator[Topic]:
    """The topics of a file: `# name`, then `U:` and `A:` lines, `+` begins what may follow."""
    text = (FOLDER / f"{file}.txt").read_text(encoding="utf-8")
    for block in re.split(r"^# ", text, flags=re.MULTILINE)[1:]:
        title, *lines = block.split("\n")
        name, _, tag = title.strip().partition(" ")
        yield Topic(f"{file}.{name}", tuple(_steps(lines)), tag == "@named")


def _steps(lines: Sequence[str]) -> Iterator[Step]:
    """A line that is said after an answer begins the next step."""
    said: list[str] = []
    answers: list[str] = []
    for line in lines:
        kind, _, text = line.removeprefix("+").partition(": ")
        if kind == "U" and answers:
            yield Step(tuple(said), tuple(answers))
            said, answers = [], []
        if kind in {"U", "A"}:
            (said if kind == "U" else answers).append(text)
    yield Step(tuple(said), tuple(answers))


def _questions(data: Path) -> Iterator[Topic]:
    """A topic for each intent of CLINC150 that has answers: real questions, our answers."""
    questions: defaultdict[str, list[str]] = defaultdict(list)
    for record in read(data / "clinc150.jsonl.gz"):
        questions[record["labels"]["intent"]].append(record["text"])
    for intents, answers in lists("answers.txt").items():
        for intent in intents.split():
            said = tuple(text for text in questions[intent] if not set(text) & set("[]{}|"))
            yield Topic(f"clinc.{intent}", (Step(said, answers),))


def _exchange(topic: Topic, dice: random.Random, slots: Mapping[str, str]) -> Iterator[str]:
    values = dict(slots)
    for number, step in enumerate(topic.steps):
        if number and dice.random() < 0.35:
            return
        yield noisy(capitals(expand(dice.choice(step.said), dice, values)), dice)
        yield capitals(expand(dice.choice(step.answers), dice, values))


def noisy(text: str, dice: random.Random) -> str:
    """As people type: often in small letters, without the last mark, sometimes misspelt."""
    if dice.random() < 0.4:
        text = text.lower()
    if dice.random() < 0.4:
        text = text.rstrip(".!")
    if dice.random() < 0.04:
        text = f"@assistant {text}"
    if dice.random() < 0.06 and len(text) > 8:
        at = dice.randrange(1, len(text) - 2)
        text = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text


def system(dice: random.Random, name: str = "") -> str:
    """A system prompt, with a name for the assistant where there is one."""
    return capitals(expand("{system_named}" if name else "{system}", dice, {"myname": name}))
