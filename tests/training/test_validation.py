"""Validation texts can be made again from the data alone, and none of them is learnt from."""

from pathlib import Path

from tests.training import public
from training.holdout import is_calibration, is_validation
from training.rows import Row
from training.validation import (
    is_made,
    moderation_validation,
    read_rows,
    reported,
    sentiment_validation,
    write_rows,
)

TEXTS = [f"comment number {n} on the news" for n in range(300)]


def test_validation_texts_repeat_with_their_seed(tmp_path: Path) -> None:
    lines = [public.row(text, "edos", toxicity=0.0) for text in TEXTS]
    data = public.write(tmp_path, unified_moderation=lines)
    first = moderation_validation(data, 5)
    assert first == moderation_validation(data, 5)
    real = {row.text for row in first if not is_made(row)}
    assert real == {text for text in TEXTS if is_validation(text)}
    assert any(is_made(row) for row in first)


def test_tweets_for_validation_are_those_that_no_run_learns_from(tmp_path: Path) -> None:
    lines = [{"text": text, "labels": {"sentiment": "neutral"}} for text in TEXTS]
    rows = sentiment_validation(public.write(tmp_path, semeval_sentiment=lines))
    kept = [row.text for row in rows if row.source == "semeval"]
    assert kept == [text for text in TEXTS if is_validation(text)]


def test_figures_come_from_the_half_that_calibration_has_not_seen() -> None:
    rows = [Row(text) for text in TEXTS]
    kept = reported(rows)
    assert 50 < len(kept) < 250
    assert not any(is_calibration(row.text) for row in kept)


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = [Row("ü\n", {"harm": 0.5}, "x", 0.25), Row("b", {}, "y")]
    write_rows(tmp_path / "rows.jsonl.gz", rows)
    assert read_rows(tmp_path / "rows.jsonl.gz") == rows
