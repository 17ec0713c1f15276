"""Figures are put beside their goals, and found on the texts that the goals are about."""

from pathlib import Path

import pytest

from tests.training.judging import judged
from training import goals
from training.goals import GOALS, Found, Goal
from training.rows import Row


@pytest.mark.parametrize(
    ("value", "at_most", "reached"),
    [(0.9, False, "aim"), (0.8, False, "must"), (0.7, False, "–"),
     (3.0, True, "–"), (0.8, True, "must"), (0.5, True, "aim")],
)  # fmt: skip
def test_a_figure_reaches_a_goal_or_falls_short(value: float, at_most: bool, reached: str) -> None:
    goal = Goal("x", 0.9, 0.6, at_most=True) if at_most else Goal("x", 0.8, 0.9)
    assert goal.reached(value) == reached


def test_the_table_says_goals_figure_and_texts() -> None:
    found = [Found(goals.QUERIES.name, 0.4, "140"), Found(goals.SEXUAL.name, 0.9, "17 of 90")]
    assert goals.table(found)[2:] == [
        "| assistant queries, flagged by `harm` | ≤ 0.5 % | ≤ 0.1 % | 0.4 % | must | 140 |",
        "| `sexual`, AUPRC | ≥ 0.850 | ≥ 0.950 | 0.900 | must | 17 of 90 |",
    ]


def test_every_goal_must_be_easier_than_its_aim() -> None:
    for goal in GOALS.values():
        assert (goal.must > goal.aim) == goal.at_most


def comments(toxic: int, harmless: int) -> list[Row]:
    rows = [Row(f"t{n}", {"toxicity": 1.0}, "jigsaw_5k") for n in range(toxic)]
    return rows + [Row(f"h{n}", {"toxicity": 0.0}, "clinc") for n in range(harmless)]


def test_a_natural_mix_keeps_the_harmless_and_a_share_of_the_toxic() -> None:
    rows = comments(50, 92)
    mix = goals.natural(judged(rows, [{"toxicity": row.targets["toxicity"]} for row in rows]))
    assert int(mix.truth("toxicity").sum()) == 8
    assert len(mix.rows) == 100
    assert mix.score("toxicity").tolist() == mix.truth("toxicity").tolist()


def test_comments_are_ranked_by_the_label_asked_for() -> None:
    rows = [*comments(4, 8), Row("other", {"toxicity": 1.0}, "edos")]
    scores = [{"toxicity": row.targets["toxicity"], "harm": 0.5} for row in rows]
    found = {each.goal: each for each in goals.comments(judged(rows, scores))}
    assert found[goals.NATURALLY_TOXIC.name].value == 1.0
    assert found[goals.NATURALLY_HARMFUL.name].value == 0.5
    assert found[goals.TALK.name].texts == "validation, 4 of 4"


def test_hateful_sentences_and_their_twins_are_counted_apart() -> None:
    hate, kind = {"identity_attack": 1.0}, {"identity_attack": 0.0}
    rows = [
        Row("a", hate, "generated.hate.threat"), Row("b", hate, "generated.wgroup.crime"),
        Row("c", kind, "generated.hate.neutral"), Row("d", kind, "generated.chat.friendly"),
    ]  # fmt: skip
    said = [{"identity_attack": 0.9}, {}, {"identity_attack": 0.9}, {}]
    hand = judged([Row("e", kind, "hate.group"), Row("f", kind, "chat.chat")], [{}, {}])
    found = [(e.goal, e.value, e.texts) for e in goals.hateful(judged(rows, said), hand)]
    assert found == [
        (goals.HATE.name, pytest.approx(100 / 3), "unseen sentences of ours, 3"),
        (goals.TWINS.name, 0.0, "unseen sentences of ours, 1"),
        (goals.HATE.name, 100.0, "labelled by hand, 1"),
        (goals.TWINS.name, 100.0, "labelled by hand, 1"),
    ]


def test_requests_are_told_from_look_alikes() -> None:
    rows = [Row("a", {"harm": 0.8}, "aart"), Row("b", {"harm": 0.0}, "fuzzyai_benign")]
    hand = [Row("c", {"harm": 1}, "illicit.request"), Row("d", {"harm": 0}, "illicit.question")]
    flags = [{"harm": 0.9}, {"harm": 0.6}]
    found = [e.value for e in goals.requests(judged(rows, flags), judged(hand, [{}, {}]))]
    assert found == [100.0, 0.0, 100.0, 0.0]


def test_categories_are_measured_on_texts_that_concern_them() -> None:
    rows = [Row("a", {"harm": 1.0, "sexual": 1.0}), Row("b", {"harm": 0.0, "sexual": 0.0})]
    hand = judged([Row("c", {"sexual": 1}, "sexual.direct"), Row("d", {"sexual": 0}, "hate.group")],
                  [{"sexual": 0.1}, {"sexual": 0.9}])  # fmt: skip
    found = list(goals.categories(judged(rows, [{"harm": 0.9, "sexual": 0.9}, {}]), hand))
    values = {(each.goal, each.texts): each.value for each in found}
    assert values[goals.HARM.name, "validation, 1 of 2"] == 1.0
    assert values[goals.SEXUAL.name, "labelled by hand, 1 of 1"] == 1.0


def test_tweets_tell_what_the_best_threshold_would_reach() -> None:
    rows = [Row("a", {"toxicity": 1.0}, "olid"), Row("b", {"toxicity": 0.0}, "olid")]
    (found,) = goals.offensive(judged(rows, [{"toxicity": 0.4}, {"toxicity": 0.3}]))
    assert found.value == pytest.approx(100 / 3)
    assert found.texts == "validation, 2; at most 100.0 % at any threshold"


def test_only_assistant_queries_are_counted_as_such() -> None:
    rows = [Row("a", {}, "clinc"), Row("b", {}, "clinc"), Row("c", {}, "sgd")]
    (found,) = goals.queries(judged(rows, [{"harm": 0.5}, {}, {"harm": 0.9}]))
    assert (found.value, found.texts) == (50.0, "validation, 1 of 2")


def test_the_worst_group_is_named_for_each_label() -> None:
    (guard,) = (Path(__file__).parents[2] / "plugins" / "models").glob("guard-mini-*")
    found = list(goals.by_group(guard))
    assert [each.texts.split(",")[0] for each in found] == ["`toxicity`", "`identity_attack`"]
    assert all(0.5 < each.value <= 1.0 for each in found)
