"""Contrast keeps what was known and changes only what it names."""

import gzip
import json
import random
from pathlib import Path

import pytest

from training.contrast import introduced, lexicon_rows, mixed, swap, swapped
from training.labels import MODERATION_HEADS
from training.mix import MISSPELT, RECASED, disturb
from training.noise import misspell, recase
from training.rows import Row, capped, read

CLEAN = dict.fromkeys(MODERATION_HEADS, 0.0)
HARM = Row("I will hurt you", CLEAN | {"harm": 1.0, "threat": 1.0}, "generated.threat")
BENIGN = [Row(f"hello number {n}", CLEAN, "clinc") for n in range(20)]


@pytest.mark.parametrize("seed", range(60))
def test_a_swap_changes_the_group_and_keeps_the_targets(seed: int) -> None:
    row = Row("Why do muslims fast? Ask muslims .", {"identity_attack": 0.0}, "x")
    made = swap(row, random.Random(seed))
    assert made.targets == row.targets
    assert made.source == "swapped.x"
    before, after = row.text.lower().split(), made.text.lower().split()
    assert [i for i, word in enumerate(before) if word != after[i]] == [2, 5]
    assert after[2] == after[5]


def test_a_word_that_is_also_a_colour_is_not_swapped() -> None:
    row = Row("a black cat on a white wall")
    assert swap(row, random.Random(1)).text == row.text


def test_only_rows_that_name_a_group_are_swapped() -> None:
    rows = [Row("the gay couple next door"), Row("good morning")]
    assert len(swapped(rows, 10, seed=1)) == 1


def test_introductions_stay_harmless() -> None:
    made = introduced(BENIGN, 5, seed=1)
    assert len(made) == 5
    assert all(row.targets == CLEAN for row in made)


def test_a_paragraph_with_one_harmful_part_is_harmful() -> None:
    for row in mixed(BENIGN, [HARM], 40, seed=1):
        expected = 1.0 if HARM.text in row.text else 0.0
        assert row.targets["threat"] == row.targets["harm"] == expected


def test_a_third_of_the_paragraphs_hides_something() -> None:
    found = [HARM.text in row.text for row in mixed(BENIGN, [HARM], 600, seed=4)]
    assert 0.3 < sum(found) / len(found) < 0.4


def test_no_paragraph_brings_sexual_rows_and_minors_together() -> None:
    children = [Row(f"the kids sang song {n}", CLEAN, "clinc") for n in range(6)]
    adult = Row("adult content", CLEAN | {"sexual": 1.0, "harm": 1.0}, "generated.sexual")
    for row in mixed([*BENIGN, *children], [adult], 200, seed=3):
        assert not ("adult content" in row.text and "kids" in row.text)


def test_a_head_unknown_in_a_harmless_part_stays_unknown() -> None:
    parts = [Row("unknown", {"toxicity": 0.0}, "y")] * 6
    for row in mixed(parts, [HARM], 20, seed=2):
        assert "spam" not in row.targets
        assert ("threat" in row.targets) == (HARM.text in row.text)


def test_noise_repeats_itself_with_its_seed() -> None:
    text = "please leave my stupid garden alone you people"
    assert misspell(text, random.Random(5)) == misspell(text, random.Random(5))


def test_noise_changes_texts_but_never_empties_them() -> None:
    dice = random.Random(5)
    texts = [misspell("the weather is lovely today", dice) for _ in range(200)]
    texts += [recase("the weather is lovely today", dice) for _ in range(200)]
    assert all(texts)
    assert len(set(texts)) > 60


def test_noise_survives_odd_texts() -> None:
    dice = random.Random(5)
    for text in ("a", " ", "  x", "ab", "😂", "é é"):
        for _ in range(30):
            misspell(text, dice)
            recase(text, dice)


def test_disturbing_keeps_the_targets() -> None:
    dice = random.Random(5)
    made = [disturb(HARM, dice) for _ in range(1000)]
    assert all(row.targets == HARM.targets for row in made)
    changed = sum(row.text != HARM.text for row in made) / len(made)
    assert 0.1 < changed <= MISSPELT + RECASED + 0.03


def test_caps_hold_for_each_source() -> None:
    kept = capped([*BENIGN, HARM], {"clinc": 3}, seed=1)
    assert sorted(row.source for row in kept) == ["clinc"] * 3 + ["generated.threat"]


def test_records_are_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress('{"text": "ü"}\n{"text": "b"}\n'.encode()))
    assert [record["text"] for record in read(path)] == ["ü", "b"]


def test_words_about_the_young_are_left_out_of_the_lexicon(tmp_path: Path) -> None:
    entries = [("dolt", "other / general insult"), ("kid toucher", "sexual anatomy / sexual acts")]
    lines = [
        json.dumps({"text": text, "labels": {"category": [category], "severity": 2.0}})
        for text, category in entries
    ]
    path = tmp_path / "surge_profanity_lexicon.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    rows = lexicon_rows(tmp_path, seed=1)
    assert len(rows) == 2
    assert all("dolt" in row.text for row in rows)
