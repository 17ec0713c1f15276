"""Held-out texts never reach training."""

from dataclasses import replace

import pytest

from training.holdout import (
    assert_none_held_out,
    drop_held_out,
    fingerprint,
    held_out,
    is_validation,
    key,
)
from training.rows import Row

SECRET = Row("You all look lovely today, @anna! http://example.org/x")
HASHES = frozenset({fingerprint(SECRET.text)})


def test_a_held_out_text_is_dropped_and_others_stay() -> None:
    other = Row("Something else")
    assert drop_held_out([SECRET, other], HASHES) == [other]


@pytest.mark.parametrize(
    "disguise",
    [
        "YOU ALL LOOK LOVELY TODAY",
        "you all look lovely today!!! @somebody",
        "you  all\nlook, lovely... today https://another.example/path?q=1",
        "[user] you all look lovely today [URL]",
    ],
)
def test_case_links_mentions_and_marks_do_not_hide_a_held_out_text(disguise: str) -> None:
    assert drop_held_out([replace(SECRET, text=disguise)], HASHES) == []


def test_the_run_stops_if_one_slips_through() -> None:
    with pytest.raises(AssertionError, match="1 held-out texts"):
        assert_none_held_out([SECRET, Row("fine")], HASHES)


def test_a_clean_set_passes() -> None:
    assert_none_held_out([Row("fine")], HASHES)


def test_the_shipped_list_holds_fingerprints_only() -> None:
    hashes = held_out()
    assert len(hashes) > 120_000
    assert all(len(entry) == 16 and int(entry, 16) >= 0 for entry in hashes)


def test_a_lone_surrogate_has_a_fingerprint() -> None:
    assert len(fingerprint("\ud800 odd")) == 16


def test_the_key_keeps_letters_of_every_script() -> None:
    assert key("Grüße, 世界!") == "grüße世界"


def test_the_validation_split_is_stable_and_small() -> None:
    texts = [f"sentence number {n}" for n in range(4000)]
    chosen = [text for text in texts if is_validation(text)]
    assert 120 < len(chosen) < 280
    assert chosen == [text for text in texts if is_validation(text.upper())]
