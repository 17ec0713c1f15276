"""Texts of several threads are scored together, and each gets its own scores."""

import threading
from collections.abc import Sequence

import pytest

from generation.joined_scoring import JoinedScorer
from inference.types import Scores
from tests.product import until


class Slow:
    """A scorer whose first batch waits; scores name their text."""

    def __init__(self) -> None:
        self.batches: list[Sequence[str]] = []
        self.go_on = threading.Event()
        self.error: Exception | None = None

    def score(self, texts: Sequence[str]) -> list[Scores]:
        self.batches.append(list(texts))
        assert self.go_on.wait(10)
        if self.error:
            raise self.error
        return [Scores({}, {"text": text}) for text in texts]


def test_what_comes_while_a_batch_runs_makes_the_next_one() -> None:
    slow, found = Slow(), dict[str, list[Scores]]()
    joined = JoinedScorer(slow)

    def ask(text: str) -> None:
        found[text] = joined.score([text, text.upper()])

    threads = [threading.Thread(target=ask, args=(name,)) for name in "abcd"]
    threads[0].start()
    until(lambda: slow.batches)
    for thread in threads[1:]:
        thread.start()
    until(lambda: len(joined._asked) == 3)
    slow.go_on.set()
    for thread in threads:
        thread.join(10)

    assert [len(batch) for batch in slow.batches] == [2, 6]
    for name in "abcd":
        assert [each.models["text"] for each in found[name]] == [name, name.upper()]


def test_an_error_reaches_whoever_asked_and_the_next_may_succeed() -> None:
    slow = Slow()
    slow.go_on.set()
    joined = JoinedScorer(slow)
    slow.error = RuntimeError("broken")
    with pytest.raises(RuntimeError, match="broken"):
        joined.score(["a"])
    slow.error = None

    assert joined.score(["a"]) == [Scores({}, {"text": "a"})]
