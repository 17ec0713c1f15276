"""Writes replies to prompts that training has not seen, and counts what they repeat.

A person reads them: `training/dialogues/judged.jsonl` holds the prompts, the replies and a mark
for each (good, passable or bad). The prompts were written for nothing but this, by somebody who
had not seen the training text. Replies are those of the first assistant of an installation: its
system prompt, its sampling, its longest answer.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from inference import versions
from inference.engine_onnx import OnnxEngine
from inference.generator import Cancellation, Piece, Prompt, Role, Sampling, Turn
from training.chat_sources import load
from training.dialogues.compose import Writer

JUDGED = Path(__file__).parent / "dialogues" / "judged.jsonl"
WORDS = 8
PART = 50
TEMPERATURE, TOP_P, MAX_TOKENS = 0.3, 0.9, 80
SYSTEM = "You are the assistant on this site. Be brief and friendly."
OWN = 20_000
"""Dialogues of our own among which repeated words are looked for."""

_WORD = re.compile(r"[a-z0-9']+")
Record = dict[str, str]


def main() -> None:
    """Reply, compare with the training text, and write at the temperature that is judged."""
    asked = _options()
    records = [json.loads(line) for line in JUDGED.read_text(encoding="utf-8").splitlines()]
    found = replies(asked.folder, [each["prompt"] for each in records], asked.temperature)
    seen = shared(found, _texts(asked))
    for record, reply, repeats in zip(records, found, seen, strict=True):
        if record.get("reply") != reply:
            record |= {"reply": reply, "mark": ""}
        record["repeats"] = "yes" if repeats else "no"
    lines = [json.dumps(each, ensure_ascii=False) + "\n" for each in records]
    print("".join(lines), end="")
    for at in range(0, len(records), PART):
        print(f"{sum(seen[at : at + PART])} share {WORDS} words in a row with the training text")
        print(dict(Counter(record["mark"] for record in records[at : at + PART])))
    if asked.temperature == TEMPERATURE:
        JUDGED.write_text("".join(lines), encoding="utf-8")


def replies(folder: Path, prompts: Sequence[str], temperature: float) -> list[str]:
    """One reply to each prompt; in each fifty, each has a seed of its own."""
    engine = OnnxEngine(folder, versions.load(folder), memory_mb=256)
    return [_reply(engine, text, temperature, number % PART) for number, text in enumerate(prompts)]


def _reply(engine: OnnxEngine, text: str, temperature: float, seed: int) -> str:
    pieces = engine.generate(prompt(text, temperature, seed), Cancellation())
    return "".join(piece.text for piece in pieces if isinstance(piece, Piece))


def prompt(text: str, temperature: float, seed: int) -> Prompt:
    """What the first assistant's model gets for a message."""
    sampling = Sampling(MAX_TOKENS, temperature, TOP_P, seed)
    return Prompt((Turn(Role.SYSTEM, SYSTEM), Turn(Role.USER, text)), sampling)


def shared(replies: Sequence[str], texts: Iterable[str]) -> list[bool]:
    """Whether each reply has eight words in a row that a text has as well."""
    wanted = [set(runs(reply)) for reply in replies]
    open_runs = set().union(*wanted)
    known = {run for text in texts for run in runs(text) if run in open_runs}
    return [bool(each & known) for each in wanted]


def runs(text: str) -> list[tuple[str, ...]]:
    """Every eight words in a row, in small letters and without marks."""
    words = _WORD.findall(text.lower())
    return [tuple(words[at : at + WORDS]) for at in range(len(words) - WORDS + 1)]


def _texts(asked: argparse.Namespace) -> Iterable[str]:
    for dialogue in load(asked.dialogues):
        yield from dialogue.turns
    for dialogue in Writer().write(OWN, asked.seed):
        yield from dialogue.turns


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="model folder to judge")
    parser.add_argument("--dialogues", type=Path, required=True, help="what chat_screen wrote")
    parser.add_argument("--seed", type=int, default=23, help="seed of a stage with our dialogues")
    parser.add_argument("--temperature", type=float, default=TEMPERATURE)
    return parser.parse_args()


if __name__ == "__main__":
    main()
