"""Harmless chat for the figures is chat that no run learns from."""

from pathlib import Path

from tests.training import public
from training.benign import CAPS, benign_rows
from training.holdout import is_validation

TEXTS = [f"my train number {n} leaves soon" for n in range(200)]


def dialogue(texts: list[str]) -> dict[str, object]:
    return {"turns": [["A", text] for text in texts]}


def test_turns_that_training_sees_are_left_out(tmp_path: Path) -> None:
    rows = benign_rows(public.write(tmp_path, self_dialogue=[dialogue(TEXTS)]))
    assert {row.text for row in rows} == {text for text in TEXTS if is_validation(text)}
    assert {row.source for row in rows} == {"self_dialogue"}


def test_task_dialogues_give_two_turns_each_once(tmp_path: Path) -> None:
    dialogues = [dialogue(["book a table", "for how many?", "three"])] * 2
    rows = benign_rows(public.write(tmp_path, sgd_dialogues=dialogues))
    assert sorted(row.text for row in rows) == ["book a table", "for how many?"]


def test_queries_and_comments_are_those_kept_for_validation(tmp_path: Path) -> None:
    lines = [public.row(text, source) for text in TEXTS[:100] for source in ("clinc", "edos")]
    rows = benign_rows(public.write(tmp_path, unified_moderation=lines))
    assert {row.text for row in rows} == {text for text in TEXTS[:100] if is_validation(text)}
    assert {row.source for row in rows} == {"clinc"}


def test_no_set_outnumbers_its_cap(tmp_path: Path) -> None:
    dialogues = [dialogue([f"turn {n}"]) for n in range(CAPS["sgd"] + 5)]
    assert len(benign_rows(public.write(tmp_path, sgd_dialogues=dialogues))) == CAPS["sgd"]
