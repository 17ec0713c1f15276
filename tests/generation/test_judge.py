"""Judging what goes to a model and what comes from it."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from generation.judge import Judge
from inference.types import Scores
from inference.words import Span
from tests.builders import some_scores
from tests.generation.answers import a_generation
from tests.generation.scripted import Book


class Placing:
    """A scorer that finds a threat in characters 5 to 8 of every text."""

    def score(self, texts: Sequence[str], plugins: Collection[str] | None = None) -> list[Scores]:
        passages = {"moderation": {"threat": Span(5, 8)}}
        return [replace(some_scores(threat=0.9), passages=passages) for _ in texts]


JUDGE = Judge(Placing(), Book, lambda: 1_800_000_000_000)


def test_a_passage_is_told_in_the_whole_answer_although_only_its_end_was_read() -> None:
    text = "shown before. what is new"

    verdict = JUDGE.growing(a_generation(), text, text[14:])

    assert [reason.passage for reason in verdict.decision.reasons] == [Span(19, 22)]


def test_a_passage_of_a_question_is_told_in_that_question() -> None:
    verdict = JUDGE.prompt(a_generation())

    assert verdict is not None
    assert [reason.passage for reason in verdict.decision.reasons] == [Span(5, 8)]
