"""The chat model that ships is whole, answers in good manner, and the same in any company."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference import versions
from inference.engine_onnx import OnnxEngine
from inference.generator import Cancellation, Ended, Finish, Piece, Prompt, Role, Sampling, Turn

FOLDER = Path(__file__).parents[2] / "plugins" / "models" / "chat-mini-1.2.0"
JUDGED = Path(__file__).parents[2] / "training" / "dialogues" / "judged.jsonl"
MOST_BYTES = 50_000_000
MOST_REPEATING = 15
"""Of fifty replies that were judged: 30 % may share eight words in a row with the training text."""
ASKED = ["Hello!", "Are you a human?", "I forgot my password", "Tell me a joke", "Where are you?"]


@pytest.fixture(scope="module")
def engine() -> OnnxEngine:
    return OnnxEngine(FOLDER, versions.load(FOLDER), memory_mb=160)


def pieces(engine: OnnxEngine, text: str, **sampling: float) -> Iterator[Piece | Ended]:
    options = {"max_tokens": 60, "temperature": 0.0} | sampling
    prompt = Prompt((Turn(Role.USER, text),), Sampling(**options))  # type: ignore[arg-type]
    return engine.generate(prompt, Cancellation())


def reply(found: Iterator[Piece | Ended]) -> tuple[str, Ended]:
    *texts, last = found
    assert isinstance(last, Ended)
    return "".join(each.text for each in texts if isinstance(each, Piece)), last


def test_the_manifest_tells_the_truth() -> None:
    manifest = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))
    assert FOLDER.name == f"{manifest['name']}-{manifest['version']}"
    assert manifest["plugin"] == "llm"
    for name, digest in manifest["files"].items():
        content = (FOLDER / name).read_bytes()
        assert digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < MOST_BYTES


def test_the_card_in_the_folder_is_the_one_in_the_documentation() -> None:
    card = FOLDER.parents[2] / "docs" / "models" / "chat-mini.md"
    assert (FOLDER / "card.md").read_bytes() == card.read_bytes()


@pytest.mark.parametrize("text", ASKED)
def test_replies_are_short_and_end_by_themselves(engine: OnnxEngine, text: str) -> None:
    found, ended = reply(pieces(engine, text))
    assert ended.finish is Finish.STOP
    assert 1 <= len(found.split()) <= 40
    assert "<|" not in found


def test_answers_do_not_depend_on_their_company(engine: OnnxEngine) -> None:
    alone = [reply(pieces(engine, text))[0] for text in ASKED]
    running = [pieces(engine, text) for text in ASKED]
    first = [next(each) for each in running]
    together = [reply(iter([head, *rest]))[0] for head, rest in zip(first, running, strict=True)]
    assert together == alone


def test_a_seed_repeats_an_answer(engine: OnnxEngine) -> None:
    one, two = (reply(pieces(engine, "Hello!", temperature=0.9, seed=5))[0] for _ in range(2))
    assert one == two


def test_a_long_conversation_fits_the_context(engine: OnnxEngine) -> None:
    said = [Turn(Role.SYSTEM, "You are a helpful assistant.")]
    for number in range(12):
        said += [Turn(Role.USER, f"I like number {number}."), Turn(Role.ASSISTANT, "Nice!")]
    said.append(Turn(Role.USER, "How are you?"))
    assert engine.count_tokens(said) < engine.context_tokens
    prompt = Prompt(tuple(said), Sampling(max_tokens=40, temperature=0.0))
    found, _ = reply(engine.generate(prompt, Cancellation()))
    assert found


@pytest.mark.parametrize("part", [0, 1])
def test_the_card_tells_what_was_judged(part: int) -> None:
    records = [json.loads(line) for line in JUDGED.read_text(encoding="utf-8").splitlines()]
    assert len({record["prompt"] for record in records}) == len(records) == 100
    judged = records[50 * part : 50 * part + 50]
    marks = [record["mark"] for record in judged]
    tally = " / ".join(str(marks.count(mark)) for mark in ("good", "passable", "bad"))
    assert set(marks) <= {"good", "passable", "bad"}
    assert {record["repeats"] for record in judged} <= {"yes", "no"}
    repeating = sum(record["repeats"] == "yes" for record in judged)
    assert repeating <= MOST_REPEATING
    card = (FOLDER / "card.md").read_text(encoding="utf-8")
    name = ("first", "second")[part]
    assert f"| {name} fifty replies, read by hand: good / passable / bad | {tally} |" in card
    assert f"| {repeating} of the {name} 50 |" in card
