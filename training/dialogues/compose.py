"""Puts exchanges together into dialogues: one to four of them, often under a system prompt."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from training.chat_sources import Dialogue
from training.holdout import fingerprint, held_out, is_validation

FOLDER = Path(__file__).parent
PROMPTS = "system.txt"
LED = 0.15
"""Share of the dialogues that stand under a system prompt of their own."""
PROMPTED = 0.45
"""Share of the others that stand under a common one."""
KEPT = 40
"""One topic in so many is never learnt."""
OPENINGS = "meeting"
"""The files with this beginning hold greetings, which open a dialogue or stand alone."""

_BLANK = re.compile(r"\n\s*\n")


@dataclass(frozen=True, slots=True)
class Step:
    """Ways to say one thing, and ways to answer it."""

    said: tuple[str, ...]
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Topic:
    """An exchange of one or more steps.

    One with a `system` prompt of its own stands alone under it.
    """

    name: str
    steps: tuple[Step, ...]
    system: str = ""


class Writer:
    """Writes dialogues of our own, of all topics but those that are kept to measure on.

    With `kept`, it writes of these alone.
    """

    def __init__(self, kept: bool = False) -> None:
        found = part(kept)
        self._led = [each for each in found if each.system]
        self._free = [each for each in found if not each.system]
        self._later = [each for each in self._free if not each.name.startswith(OPENINGS)]

    def write(self, count: int, seed: int) -> list[Dialogue]:
        """So many dialogues; the same for the same seed. Held-out sentences are left out."""
        dice = random.Random(f"own {seed}")
        found = (self._dialogue(dice) for _ in range(count))
        known = held_out()
        return [each for each in found if not known.intersection(map(fingerprint, each.turns))]

    def _dialogue(self, dice: random.Random) -> Dialogue:
        if dice.random() < LED:
            topic = dice.choice(self._led)
            return Dialogue(tuple(_exchange(topic, dice)), "own", topic.system)
        chosen = [dice.choice(self._free)]
        chosen += dice.choices(self._later, k=dice.choice((0, 0, 0, 1, 1, 2, 3)))
        turns = tuple(turn for topic in chosen for turn in _exchange(topic, dice))
        prompt = dice.choice(prompts()) if dice.random() < PROMPTED else ""
        return Dialogue(turns, "own", prompt)


@cache
def topics() -> tuple[Topic, ...]:
    """All topics of all files, each named after its file with its number there."""
    paths = sorted(path for path in FOLDER.glob("*.txt") if path.name != PROMPTS)
    return tuple(topic for path in paths for topic in read(path))


def part(kept: bool) -> list[Topic]:
    """The topics that are kept to measure on, or all others."""
    return [each for each in topics() if is_validation(each.steps[0].said[0], KEPT) == kept]


def read(path: Path) -> Iterator[Topic]:
    """The topics of a file: blocks of `U:` and `A:` lines, some under an `S:` line.

    Lines of one side in a row are different ways to say one thing. Raises ValueError where a line
    is of another kind, or a block does not end with an answer.
    """
    blocks = _BLANK.split(path.read_text(encoding="utf-8").strip())
    for number, block in enumerate(blocks):
        name = f"{path.stem}.{number}"
        lines = [_line(name, text) for text in block.split("\n")]
        prompt = lines.pop(0)[1] if lines[0][0] == "S" else ""
        yield Topic(name, tuple(_steps(name, lines)), prompt)


def _line(name: str, text: str) -> tuple[str, str]:
    kind, mark, said = text.strip().partition(": ")
    if kind not in {"S", "U", "A"} or not mark or not said:
        raise ValueError(f"{name}: a line begins with S:, U: or A:; this one is {text!r}.")
    return kind, said.strip()


def _steps(name: str, lines: Sequence[tuple[str, str]]) -> Iterator[Step]:
    """A line that is said after an answer begins the next step."""
    said: list[str] = []
    answers: list[str] = []
    for kind, text in [*lines, ("U", "")]:
        if kind == "U" and answers:
            yield Step(tuple(said), tuple(answers))
            said, answers = [], []
        if kind == "S" or (kind == "A" and not said):
            raise ValueError(f"{name}: {kind}: {text!r} stands where something has to be said.")
        (said if kind == "U" else answers).append(text)
    if len(said) > 1:
        raise ValueError(f"{name} ends without an answer.")


@cache
def prompts() -> tuple[str, ...]:
    """The common system prompts, one a line."""
    return tuple((FOLDER / PROMPTS).read_text(encoding="utf-8").splitlines())


def _exchange(topic: Topic, dice: random.Random) -> Iterator[str]:
    for step in topic.steps:
        yield noisy(dice.choice(step.said), dice)
        yield dice.choice(step.answers)


def noisy(text: str, dice: random.Random) -> str:
    """As people type: often in small letters, without the last mark, sometimes misspelt."""
    if dice.random() < 0.25:
        text = text.lower()
    if dice.random() < 0.3:
        text = text.rstrip(".!") or text
    if dice.random() < 0.04:
        text = f"@assistant {text}"
    if dice.random() < 0.06 and len(text) > 8:
        at = dice.randrange(1, len(text) - 2)
        text = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text
