"""The rows that a model gets most wrong are found, and only among those that may be learnt from."""

from pathlib import Path

import pytest

from tests.training import public
from tests.training.judging import judged
from training import mine, mix
from training.holdout import is_validation
from training.mix import Shares, drawn, training_mix
from training.rows import Row
from training.validation import read_rows

(GUARD,) = (Path(__file__).parents[2] / "plugins" / "models").glob("guard-mini-*")


def rows(count: int, source: str = "edos") -> list[Row]:
    return [Row(f"{source} number {n}", {"harm": 0.0}, source) for n in range(count)]


def test_rows_that_were_drawn_or_kept_for_validation_are_no_candidates() -> None:
    known = [*rows(400), *rows(30, "sgd")]
    used = {row.text for row in drawn(known, 7, 0.5)}
    fresh = mine.unused(known, [7], 0.5)
    assert {row.text for row in fresh} == {
        row.text for row in rows(400) if row.text not in used and not is_validation(row.text)
    }
    assert len(fresh) > 100


def test_the_most_wrong_rows_are_taken_both_ways() -> None:
    known = [
        Row("missed", {"harm": 1.0, "toxicity": 1.0}, "a"), Row("accused", {"harm": 0.0}, "a"),
        Row("right", {"harm": 1.0}, "a"), Row("unsure", {"harm": 0.0}, "a"),
    ]  # fmt: skip
    said = [{"harm": 0.1, "toxicity": 0.9}, {"harm": 0.8}, {"harm": 0.9}, {"harm": 0.4}]
    found = mine.hardest(judged(known, said), most=10, cap=10)
    assert [(row.text, row.source) for row in found] == [
        ("missed", "hard.a"),
        ("accused", "hard.a"),
    ]
    assert found[0].targets == known[0].targets


def test_any_label_may_be_the_wrong_one_and_each_row_is_taken_once() -> None:
    known = [Row("both", {"harm": 1.0, "spam": 1.0}), Row("spam", {"spam": 1.0})]
    found = mine.hardest(judged(known, [{}, {}]), most=10, cap=10)
    assert sorted(row.text for row in found) == ["both", "spam"]


def test_no_source_and_no_label_gives_more_than_its_cap() -> None:
    known = [*rows(9, "a"), *rows(9, "b"), *rows(9, "c")]
    every = judged(known, [{"harm": 0.9}] * 27)
    sources = [row.source for row in mine.hardest(every, most=100, cap=2)]
    assert sorted(sources) == ["hard.a"] * 2 + ["hard.b"] * 2 + ["hard.c"] * 2
    assert len(mine.hardest(every, most=5, cap=9)) == 5


def test_hard_rows_are_written_for_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"good morning to you and your garden {n}" for n in range(60)]
    lines = [public.row(text, "edos", toxicity=1.0) for text in texts]
    lines += [public.row(f"thank you, dear friend {n}", "edos", toxicity=0.0) for n in range(60)]
    data, out = public.write(tmp_path, unified_moderation=lines), tmp_path / "hard.jsonl.gz"
    options = ["--data", str(data), "--folder", str(GUARD), "--out", str(out)]
    monkeypatch.setattr("sys.argv", ["mine", *options, "--epochs", "0", "--cap", "20"])
    mine.main()

    found = read_rows(out)
    assert 20 <= len(found) <= 60
    assert {row.source for row in found} == {"hard.edos"}
    assert {row.text for row in found} <= {text for text in texts if not is_validation(text)}


def test_an_epoch_has_every_hard_row_but_those_kept_for_validation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mix, "lexicon_rows", lambda data, seed: [])
    hard = [Row(f"{row.text} {n}", row.targets, "hard.edos") for n, row in enumerate(rows(80))]
    epoch = training_mix(rows(40, "clinc"), tmp_path, 3, Shares(0.01, 0.01), hard)
    kept = [row for row in epoch if row.source == "hard.edos"]
    assert len(kept) == sum(not is_validation(row.text) for row in hard) < len(hard)
