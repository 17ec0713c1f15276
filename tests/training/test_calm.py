"""Harmless texts are told by kind and by length."""

import pytest

from tests.training.judging import judged
from training import calm, goals
from training.calm import kind_of
from training.rows import Row


@pytest.mark.parametrize(
    ("source", "kind"),
    [("harmless.short.name", "short name"), ("harmless.foreign.de", "foreign de"),
     ("harmless.prose.art", "prose"), ("harmless.joined10", "joined10")],
)  # fmt: skip
def test_a_kind_has_a_name(source: str, kind: str) -> None:
    assert kind_of(source) == kind


def test_each_kind_and_each_length_has_a_line() -> None:
    rows = [
        Row("lamp", {}, "harmless.word"),
        Row("spoon", {}, "harmless.word"),
        Row("word " * 20, {}, "harmless.prose.art"),
    ]
    found = judged(rows, [{"sexual": 0.6}, {"threat": 0.5}, {"harm": 0.7}])
    lines = calm.report(found)
    assert lines[2] == "| prose | 1 | 100.0% | 0.0% | 0.0% | 0.0% | 0.0% | 0.0% | 0.0% | 0.0% |"
    assert lines[3] == "| word | 2 | 0.0% | 0.0% | 0.0% | 50.0% | 0.0% | 0.0% | 0.0% | 50.0% |"
    assert [line.split(" | ")[0] for line in lines[4:]] == ["| 1 to 3 words", "| 16 to 63 words"]
    assert lines[4].split(" | ")[1:] == lines[3].split(" | ")[1:]


def test_the_longest_texts_have_a_line() -> None:
    found = judged([Row("word " * 1200, {}, "harmless.prose.art")], [{}])
    assert calm.report(found)[3].startswith("| 1000 words on | 1 |")


def test_the_goals_take_the_worst_label_of_short_texts_and_harm_of_long_ones() -> None:
    rows = [
        Row("lamp", {}, "harmless.word"),
        Row("a lamp", {}, "harmless.short.noun"),
        Row("much more than three words", {}, "harmless.query.assistant"),
        *(Row(f"turns {n} of a talk", {}, "harmless.joined10") for n in range(4)),
    ]
    scores = [{"sexual": 0.9}, {}, {"sexual": 0.9}, {"harm": 0.6}, {}, {"threat": 0.9}, {}]
    short, long = goals.calmly(judged(rows, scores))
    assert (short.value, short.texts) == (50.0, "validation, 2; `sexual`")
    assert (long.value, long.texts) == (25.0, "validation, 1 of 4")
