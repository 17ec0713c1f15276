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
