"""What is explained of a decision, and how the answer is shown."""

from typing import Any

import pytest

from inference.attribution import Target
from inference.types import Scores
from policy import verdicts
from policy.policy import Action, Policy, Rule, decide, fail
from policy.whys import Piece, Question, labels_of, pieces, question_of, targets
from tests.builders import a_message, a_verdict

POLICY = Policy(
    "test",
    1,
    (
        Rule("maybe", "manners", "rude", 0.5, Action.FLAG),
        Rule("sure", "manners", "rude", 0.9, Action.BLOCK),
        Rule("loud", "manners", "loud", 0.5, Action.FLAG),
        Rule("odd", "other", "rude", 0.5, Action.FLAG),
    ),
)


def decided(**scores: float) -> Any:
    return decide(Scores({"manners": scores, "other": {"rude": 0.7}}, {}), POLICY)


def test_each_score_is_explained_against_the_lowest_threshold_it_reached() -> None:
    assert targets(decided(rude=0.95, loud=0.1)) == (
        Target("manners", "rude", 0.5),
        Target("other", "rude", 0.5),
    )


def test_what_no_score_decided_needs_no_words() -> None:
    assert targets(fail(POLICY)) == ()
    assert targets(decide(Scores({}, {}), POLICY)) == ()
    assert question_of(verdicts.record(a_verdict(Action.ALLOW))) is None


def test_a_stored_record_asks_for_its_words() -> None:
    message = a_message()
    record = verdicts.record(a_verdict(Action.BLOCK, message=message))

    assert question_of(record) == Question(message.id, (Target("moderation", "threat", 0.95),))
    assert question_of({"message": {"id": "x"}}) is None


def a_highlight(start: int, end: int, label: str = "rude", weight: float = 0.5) -> dict[str, Any]:
    return {"label": label, "start": start, "end": end, "weight": weight}


def test_pieces_are_the_whole_text_with_the_largest_weight_first() -> None:
    text = "you 😡 idiot <b>"

    found = pieces(text, [a_highlight(6, 11, weight=0.2), a_highlight(6, 11, "loud", 0.3)])

    assert found == [
        Piece("you 😡 "),
        Piece("idiot", (("loud", 0.3), ("rude", 0.2))),
        Piece(" <b>"),
    ]
    assert labels_of(found[1].labels) == "loud 0.30, rude 0.20"


@pytest.mark.parametrize(
    "odd",
    [(3, 3), (5, 2), (-2, 3), (4, 99), (1, 3)],
    ids=["empty", "backwards", "before", "behind", "inside"],
)
def test_a_highlight_that_does_not_fit_is_left_out(odd: tuple[int, int]) -> None:
    found = pieces("idiots all", [a_highlight(0, 2), a_highlight(*odd)])

    assert "".join(piece.text for piece in found) == "idiots all"
    assert [piece.text for piece in found if piece.labels] == ["id"]


def test_a_text_without_highlights_is_one_piece() -> None:
    assert pieces("good day", []) == [Piece("good day")]
    assert pieces("", []) == []
