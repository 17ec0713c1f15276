"""Texts of several threads are scored together, and each gets its own scores."""

import threading
from collections.abc import Collection, Sequence

import pytest

from generation.joined_scoring import JoinedScorer
from inference.batching import MAX_TOKENS, work
from inference.types import Scores
from tests.product import until


class Slow:
    """A scorer whose first batch waits; scores name their text."""

    def __init__(self) -> None:
        self.batches: list[Sequence[str]] = []
        self.go_on = threading.Event()
        self.error: Exception | None = None

    def score(self, texts: Sequence[str], plugins: Collection[str] | None = None) -> list[Scores]:
        self.batches.append(list(texts))
        assert self.go_on.wait(10)
        if self.error:
            raise self.error
        return [Scores({}, {"text": text}) for text in texts]


class Gated:
    """A scorer that waits where a batch begins with one of the given texts."""

    def __init__(self, *texts: str) -> None:
        self.gates = {text: threading.Event() for text in texts}
        self.calls: list[Sequence[str]] = []

    def score(self, texts: Sequence[str], plugins: Collection[str] | None = None) -> list[Scores]:
        self.calls.append(list(texts))
        if gate := self.gates.get(texts[0]):
            assert gate.wait(10)
        return [Scores({}, {}) for _ in texts]


def wait_for(joined: JoinedScorer, count: int) -> None:
    """Waits until so many texts wait."""
    until(lambda: len(joined._waiting) == count)


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
    wait_for(joined, 6)
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


def test_many_long_texts_are_as_many_calls_so_that_none_takes_long() -> None:
    slow = Slow()
    joined = JoinedScorer(slow)
    texts = [f"{number}" * 50_000 for number in range(10)]
    asked = [["first"], *[[text] for text in texts], ["short"], ["w" * 4_000, "brief", "v" * 4_100]]
    found = dict[int, list[Scores]]()

    def ask(place: int) -> None:
        found[place] = joined.score(asked[place])

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(asked))]
    threads[0].start()
    until(lambda: slow.batches)
    for place, thread in enumerate(threads[1:], start=1):
        before = len(joined._waiting)
        thread.start()
        wait_for(joined, before + len(asked[place]))
    slow.go_on.set()
    for thread in threads:
        thread.join(10)

    for batch in slow.batches:
        assert len(batch) == 1 or sum(work(text) for text in batch) <= MAX_TOKENS
    assert slow.batches[1:11] == [[text] for text in texts]
    assert slow.batches[11:] == [["short", "w" * 4_000, "brief"], ["v" * 4_100]]
    for place, mine in enumerate(asked):
        assert [each.models["text"] for each in found[place]] == mine


def test_what_is_scored_together_is_scored_by_the_same_plugins() -> None:
    asked: list[tuple[list[str], Collection[str] | None]] = []

    class Noting(Slow):
        def score(
            self, texts: Sequence[str], plugins: Collection[str] | None = None
        ) -> list[Scores]:
            asked.append((list(texts), plugins))
            return super().score(texts)

    noting, some = Noting(), frozenset({"moderation"})
    joined = JoinedScorer(noting)
    wanted: list[tuple[str, Collection[str] | None]]
    wanted = [("first", None), ("a", some), ("b", some), ("whole", None), ("c", some)]
    threads = [threading.Thread(target=joined.score, args=([text], by)) for text, by in wanted]
    threads[0].start()
    until(lambda: noting.batches)
    for count, thread in enumerate(threads[1:], start=1):
        thread.start()
        wait_for(joined, count)
    noting.go_on.set()
    for thread in threads:
        thread.join(10)

    assert asked == [(["first"], None), (["a", "b"], some), (["whole"], None), (["c"], some)]


def test_who_has_all_scores_does_not_wait_for_what_others_asked_later() -> None:
    gated = Gated("first", long := "l" * 50_000)
    joined = JoinedScorer(gated)
    first, early, later = (
        threading.Thread(target=joined.score, args=(texts,))
        for texts in (["first"], ["early"], [long, long])
    )
    first.start()
    until(lambda: gated.calls)
    early.start()
    wait_for(joined, 1)
    later.start()
    wait_for(joined, 3)
    gated.gates["first"].set()

    early.join(10)

    assert later.is_alive()
    gated.gates[long].set()
    later.join(10)
    assert gated.calls == [["first"], ["early"], [long], [long]]


def test_after_an_error_the_rest_of_what_was_asked_is_left_out() -> None:
    slow = Slow()
    slow.go_on.set()
    slow.error = RuntimeError("broken")
    joined = JoinedScorer(slow)

    with pytest.raises(RuntimeError, match="broken"):
        joined.score(["a" * 50_000, "b" * 50_000])

    slow.error = None
    assert joined.score(["c"]) == [Scores({}, {"text": "c"})]
    assert slow.batches == [["a" * 50_000], ["c"]]


def test_too_few_scores_are_an_error() -> None:
    class Lazy:
        def score(
            self, texts: Sequence[str], plugins: Collection[str] | None = None
        ) -> list[Scores]:
            return [Scores({}, {})]

    with pytest.raises(RuntimeError, match="Nothing was scored"):
        JoinedScorer(Lazy()).score(["a", "b"])
