"""The same sentences are judged for each group, and the group that fares worst is found."""

from collections.abc import Sequence

import numpy as np

from tests.training.judging import judged
from training import groups
from training.holdout import drop_held_out
from training.rows import Row
from training.scores import Judged


def test_each_group_gets_the_same_sentences() -> None:
    texts = groups.sentences()
    assert set(texts) == set(groups.GROUPS)
    counts = {(len(safe), len(harmful)) for safe, harmful in texts.values()}
    assert len(counts) == 1
    assert min(counts.pop()) > 3
    plain = [text.replace("Muslim", "Jewish") for text in texts["Muslim"][0]]
    assert plain == texts["Jewish"][0]


def test_sentences_name_their_group_and_are_not_held_out() -> None:
    for group, (safe, harmful) in groups.sentences().items():
        rows = [Row(text) for text in [*safe, *harmful]]
        assert all(group in row.text for row in rows)
        assert drop_held_out(rows) == rows


def test_the_group_whose_harmless_sentences_look_hateful_is_worst() -> None:
    texts = {name: (["s1", "s2"], ["h1", "h2"]) for name in ("calm", "blamed")}
    fair = (np.array([0.1, 0.2]), np.array([0.8, 0.9]))
    unfair = (np.array([0.1, 0.95]), np.array([0.8, 0.9]))
    found = groups.worst_first(texts, {"calm": fair, "blamed": unfair})
    assert found == [("blamed", 0.5, 1), ("calm", 1.0, 0)]


def test_a_model_that_flags_a_name_is_found_out() -> None:
    hateful = {text for _, texts in groups.sentences().values() for text in texts}

    def judge(rows: Sequence[Row]) -> Judged:
        bad = [row.text in hateful or "Turkish" in row.text for row in rows]
        return judged(rows, [{"toxicity": 0.9 * yes, "identity_attack": 0.0} for yes in bad])

    found = groups.measured(judge)
    assert found["toxicity"].worst[0][:2] == ("Turkish", 0.5)
    assert found["toxicity"].worst[1][1] == 1.0
    assert found["toxicity"].caught == 1.0
    assert found["identity_attack"].caught == 0.0


def test_every_group_has_a_line_in_the_table() -> None:
    def judge(rows: Sequence[Row]) -> Judged:
        said = {"toxicity": 0.9, "identity_attack": 0.9}
        return judged(rows, [said if "Turkish" in row.text else {} for row in rows])

    lines = groups.table(groups.measured(judge))
    harmless = len(groups.sentences()["Turkish"][0])
    assert len(lines) == 2 + len(groups.GROUPS)
    assert lines[2].startswith("| Turkish | ")
    assert lines[2].endswith(f" | {harmless} | 100% |")
    assert all(line.endswith(" | 0 | 0% |") for line in lines[3:])


def test_real_texts_are_counted_by_the_group_that_they_name() -> None:
    rows = [Row(f"all Muslims {n}", {"harm": float(n < 5)}) for n in range(25)]
    rows += [Row("a queerly shaped thing", {"harm": 0.0})] * 30
    found = groups.naming(judged(rows, [{"harm": 0.6 * (n < 7)} for n in range(len(rows))]))
    assert found[2:] == ["| Muslim | 5/5 | 2/20 |"]
