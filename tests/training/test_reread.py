"""Our own reading of public texts completes what their sets say, and settles no dispute."""

from pathlib import Path

import pytest

from tests.training import public
from training import reread as rereading
from training import sources
from training.holdout import fingerprint, held_out, is_validation
from training.labels import MODERATION_HEADS, PARENTS
from training.mix import drawn
from training.reread import READ, Reading, readings, reread
from training.rows import Row


def some_text(*, validation: bool) -> str:
    texts = (f"a text with number {number}" for number in range(1000))
    return next(text for text in texts if is_validation(text) == validation)


LEARNT, KEPT = some_text(validation=False), some_text(validation=True)


def found(text: str, *applies: str, unclear: tuple[str, ...] = ()) -> dict[str, Reading]:
    return {fingerprint(text): Reading(frozenset(applies), frozenset(unclear))}


def test_a_text_that_nobody_read_stays_as_it_is() -> None:
    row = Row(LEARNT, {"toxicity": 1.0}, "jigsaw_detox")
    assert reread(row, {}) is row


def test_what_a_set_does_not_say_is_known_from_reading() -> None:
    row = Row(LEARNT, {"toxicity": 1.0, "minor": 0.0, "harm": 0.9}, "jigsaw_detox", 0.5)
    told = reread(row, found(LEARNT, "toxicity", "sexual"))
    assert set(told.targets) == set(MODERATION_HEADS)
    assert {head for head, value in told.targets.items() if value} == {"harm", "toxicity", "sexual"}
    assert told.read
    assert told.weight == 1.0


def test_what_a_rule_said_of_all_texts_of_a_set_gives_way() -> None:
    clean = dict.fromkeys(MODERATION_HEADS, 0.0)
    told = reread(Row(LEARNT, clean, "self_dialogue"), found(LEARNT, "sexual"))
    assert told.targets["sexual"] == told.targets["harm"] == 1.0


def test_people_and_reader_who_agree_leave_what_the_people_said() -> None:
    row = Row(LEARNT, {"toxicity": 0.7}, "civil_toxic_spans")
    assert reread(row, found(LEARNT, "toxicity")).targets["toxicity"] == 0.7


def test_a_dispute_leaves_the_head_unknown_in_training() -> None:
    row = Row(LEARNT, {"identity_attack": 1.0, "harm": 1.0}, "hateval")
    told = reread(row, found(LEARNT, "profanity"))
    assert "identity_attack" not in told.targets
    assert "harm" not in told.targets
    assert told.targets["profanity"] == 1.0


def test_a_dispute_leaves_the_set_right_in_validation() -> None:
    told = reread(Row(KEPT, {"identity_attack": 1.0}, "hateval"), found(KEPT, "profanity"))
    assert told.targets["identity_attack"] == told.targets["harm"] == 1.0


@pytest.mark.parametrize("source", ["olid", "jigsaw_5k"])
def test_one_reader_does_not_outvote_a_crowd_on_toxicity(source: str) -> None:
    told = reread(Row(LEARNT, {"toxicity": 1.0}, source), found(LEARNT, "profanity"))
    assert told.targets["toxicity"] == 1.0
    assert "harm" not in told.targets
    told = reread(Row(LEARNT, {"toxicity": 0.0}, source), found(LEARNT, "toxicity", "insult"))
    assert told.targets["toxicity"] == 0.0
    assert told.targets["harm"] == 1.0


def test_harm_is_unknown_where_a_category_is_unclear_and_no_other_applies() -> None:
    row = Row(LEARNT, {}, "goemotions")
    assert "harm" not in reread(row, found(LEARNT, unclear=("sexual",))).targets
    assert "sexual" not in reread(row, found(LEARNT, unclear=("sexual",))).targets
    assert reread(row, found(LEARNT, "threat", unclear=("sexual",))).targets["harm"] == 1.0


@pytest.mark.parametrize("unclear", ["profanity", "spam"])
def test_swearing_and_advertising_leave_no_doubt_about_harm(unclear: str) -> None:
    told = reread(Row(LEARNT, {}, "goemotions"), found(LEARNT, unclear=(unclear,)))
    assert told.targets["harm"] == 0.0


@pytest.mark.parametrize(
    "line", ["0123 toxicity", "0123456789abcdef rude", "0123456789abcdef ?harm"]
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.txt").write_text(f"0123456789abcdef toxicity\n{line}\n")
    with pytest.raises(ValueError, match=r"a\.txt:2"):
        readings(tmp_path)


def test_every_reading_keeps_to_the_definitions() -> None:
    known = readings()
    assert len(known) > 1000
    for reading in known.values():
        assert not reading.applies & reading.unclear
        for narrow, wide in PARENTS.items():
            assert narrow not in reading.applies or wide in reading.applies | reading.unclear


def test_no_held_out_text_was_read() -> None:
    assert not set(readings()) & held_out()


def test_sets_without_labels_of_ours_give_only_what_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = found(LEARNT, "insult", "toxicity") | found(KEPT)
    monkeypatch.setattr(rereading, "readings", lambda: known)
    public.write(
        tmp_path,
        unified_moderation=[public.row(KEPT, "goemotions_pos")],
        goemotions=[{"text": text} for text in (LEARNT, KEPT, "read by nobody")],
    )
    rows = list(sources.moderation_rows(tmp_path))
    assert [(row.text, row.source, row.read) for row in rows] == [
        (KEPT, "goemotions_pos", True),
        (LEARNT, "goemotions", True),
    ]


def test_what_was_read_is_in_every_epoch() -> None:
    rows = [Row(f"sentence {n}", {"harm": 0.0}, "edos", read=n % 10 == 0) for n in range(400)]
    own = {row.text for row in rows if row.read and not is_validation(row.text)}
    for seed in (1, 2):
        texts = [row.text for row in drawn(rows, seed, 0.2)]
        assert own <= set(texts)
        assert len(texts) < 0.4 * len(rows)


def test_a_reader_says_every_label_but_those_that_follow() -> None:
    assert set(MODERATION_HEADS) - set(READ) == {"harm", "minor"}
