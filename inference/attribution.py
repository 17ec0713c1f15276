"""Why a text was flagged: the words without which it would not have been.

Occlusion: words are cut out and the rest is scored again, many variants in one batch. Whatever
scores texts can be explained so. The words named cover at most a third of the text (but at least
one word is named), and where possible no target's score reaches its threshold without them.
The same text, targets and scores give the same words.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from inference.types import Scores
from inference.words import Passage, Span, passages, without, words

SHARE = 3
"""The words named are at most one in so many, and so are their characters."""
DIRECT_WORDS = 40
"""A longer text is taken apart into passages, and words are looked for in the worst first."""
PASSAGE_WORDS = 24
RANKING = 0.7
"""The share of what may be spent on a long text that ranks its words; the rest tries them."""
FLOOR = 0.05
"""Scores below count as this one where words are ranked: nothing hangs on them."""
FEW = 12
"""Words named of a long text that none clear."""
MAX_CHARACTERS = 24_000
"""Characters scored for one text; the search ends with what it has found by then."""
MAX_BATCH = 64
MIN_WEIGHT = 0.01
DIGITS = 4
_MARGIN = 1e-3
_EDGE = 1e-6

Score = Callable[[Sequence[str]], Sequence[Scores]]
"""One Scores for each text, in order."""
Cut = tuple[int, ...]
"""The numbers of the words that are cut out."""


@dataclass(frozen=True, slots=True)
class Target:
    """A score that is to be brought below its threshold."""

    plugin: str
    label: str
    threshold: float


@dataclass(frozen=True, slots=True)
class Highlight:
    """Characters of the original text, and how far they raise a label's score in their place."""

    label: str
    start: int
    end: int
    weight: float


class _Spent(Exception):
    """Everything that may be spent on a text is spent, or a plugin gave no scores."""


def explain(
    text: str,
    targets: Iterable[Target],
    score: Score,
    *,
    max_characters: int = MAX_CHARACTERS,
) -> list[Highlight]:
    """The words that drove the targets' scores, in the order of the text.

    Targets that the text does not reach are left out. Empty where none is left, where the text
    has no words, or where a plugin gives no scores. Raises what `score` raises.
    """
    search = _Search(text, tuple(dict.fromkeys(targets)), score, max_characters)
    return search.run() if search.words else []


class _Search:
    """The search for the words of one text."""

    def __init__(
        self, text: str, targets: tuple[Target, ...], score: Score, max_characters: int
    ) -> None:
        self.words = words(text)
        self._text = text
        self._targets = targets
        self._score = score
        self._left = max_characters
        self._named: list[int] = []
        self._weights: dict[int, list[float]] = {}

    def run(self) -> list[Highlight]:
        """Looks for words until no target is reached or everything is spent."""
        whole = Passage(0, len(self._text), range(len(self.words)))
        try:
            (scores,) = self._scores(whole, [()])
            reached = zip(self._targets, scores, strict=True)
            self._targets = tuple(each for each, score in reached if score >= each.threshold)
            if self._targets:
                self._look(whole)
        except _Spent:
            pass
        return [found for number in sorted(self._named) for found in self._highlights(number)]

    def _look(self, whole: Passage) -> None:
        if len(self.words) <= DIRECT_WORDS:
            self._name(whole, self._best_prefix(whole) or self._greedy(whole))
        else:
            self._name_ranked(whole, self._ranked())

    def _ranked(self) -> list[int]:
        """The words of a long text, those that matter most in their own passages first."""
        parts = passages(self._text, self.words, PASSAGE_WORDS)
        alone = self._ask([self._text[each.start : each.end] for each in parts])
        gains: dict[int, float] = {}
        reserve = self._left * (1 - RANKING)
        for part in sorted(range(len(parts)), key=lambda n: (-_height(alone[n]), n)):
            passage = parts[part]
            if self._left - len(passage.words) * (passage.end - passage.start) < reserve:
                break
            rows = self._scores(passage, [(number,) for number in passage.words])
            for number, row in zip(passage.words, rows, strict=True):
                gains[number] = _height(alone[part]) - _height(row)
                self._weights[number] = _differences(alone[part], row)
        return sorted((n for n in gains if gains[n] > 0), key=lambda n: (-gains[n], n))

    def _name_ranked(self, whole: Passage, ranked: list[int]) -> None:
        """Names as many of the words, in their order, as clear the text; a few if none do."""
        cut: Cut = ()
        for number in ranked:
            if self._fits((*cut, number)):
                cut = (*cut, number)
        size = 1
        try:
            while not self._clears(whole, cut[:size]):
                if size >= len(cut):
                    self._named += cut[:FEW]
                    return
                size *= 2
        except _Spent:
            self._named += cut[:FEW]
            return
        self._name(whole, cut[:size])

    def _best_prefix(self, whole: Passage) -> Cut:
        """The fewest of the words that matter most by themselves, if they clear the text."""
        free = [number for number in whole.words if self._fits((number,))]
        tried = self._tried(whole, [(number,) for number in free])
        order = sorted(free, key=lambda number: (tried[number,], number))
        cuts: list[Cut] = [()]
        for number in order:
            if self._fits((*cuts[-1], number)):
                cuts.append((*cuts[-1], number))
        if order and tried[order[0],] <= 0:
            return (order[0],)
        tried = self._tried(whole, cuts[1:])
        return next((cut for cut in cuts[1:] if tried[cut] <= 0), ())

    def _greedy(self, whole: Passage) -> Cut:
        """Word by word, each time the one without which least is left over the thresholds."""
        cut: Cut = ()
        try:
            while True:
                longer = [(*cut, number) for number in whole.words if number not in cut]
                longer = [each for each in longer if self._fits(each)]
                if not longer:
                    return cut
                tried = self._tried(whole, longer)
                cut = min(longer, key=lambda each: (tried[each], each))
                if tried[cut] <= 0:
                    return cut
        except _Spent:
            return cut

    def _name(self, whole: Passage, cut: Cut) -> None:
        """Names those words of the cut that are needed, with what each does in its place."""
        try:
            (without_it,) = self._scores(whole, [cut])
            for number in reversed(cut):
                shorter = tuple(each for each in cut if each != number)
                (with_it,) = self._scores(whole, [shorter])
                if shorter and self._excess(with_it) <= 0:
                    cut, without_it = shorter, with_it
                else:
                    self._weights[number] = _differences(with_it, without_it)
        except _Spent:
            pass
        self._named += cut

    def _highlights(self, number: int) -> list[Highlight]:
        span = self.words[number]
        weights = self._weights.get(number, [0.0] * len(self._targets))
        most = max(weights)
        return [
            Highlight(target.label, span.start, span.end, round(weight, DIGITS))
            for target, weight in zip(self._targets, weights, strict=True)
            if weight >= MIN_WEIGHT or weight == most
        ]

    def _fits(self, cut: Cut) -> bool:
        """Whether these words may be named too."""
        if len(cut) == 1:
            return True
        covered = sum(self.words[number].length for number in cut)
        return SHARE * len(cut) <= len(self.words) and SHARE * covered <= len(self._text)

    def _clears(self, whole: Passage, cut: Cut) -> bool:
        return self._tried(whole, [cut])[cut] <= 0

    def _tried(self, whole: Passage, cuts: Sequence[Cut]) -> dict[Cut, float]:
        """What is left over the thresholds after each cut."""
        rows = self._scores(whole, cuts)
        return {cut: self._excess(row) for cut, row in zip(cuts, rows, strict=True)}

    def _scores(self, passage: Passage, cuts: Sequence[Cut]) -> list[list[float]]:
        """The targets' scores of the passage without the words of each cut."""
        return self._ask([self._variant(passage, cut) for cut in cuts])

    def _variant(self, passage: Passage, cut: Cut) -> str:
        spans = [self.words[number] for number in sorted(cut)]
        moved = [Span(each.start - passage.start, each.end - passage.start) for each in spans]
        return without(self._text[passage.start : passage.end], moved)

    def _ask(self, texts: Sequence[str]) -> list[list[float]]:
        found: list[list[float]] = []
        for start in range(0, len(texts), MAX_BATCH):
            batch = texts[start : start + MAX_BATCH]
            self._left -= sum(map(len, batch))
            if self._left < 0:
                raise _Spent
            found += [self._row(each) for each in self._score(batch)]
        return found

    def _row(self, scores: Scores) -> list[float]:
        try:
            return [scores.by_plugin[each.plugin][each.label] for each in self._targets]
        except KeyError:
            raise _Spent from None

    def _excess(self, row: Sequence[float]) -> float:
        """By how much the scores are over their thresholds in all, as logits; 0 if none is."""
        over = (
            _logit(score) - _logit(each.threshold) + _MARGIN
            for each, score in zip(self._targets, row, strict=True)
        )
        return sum(max(0.0, each) for each in over)


def _differences(before: Sequence[float], after: Sequence[float]) -> list[float]:
    """By how much scores fell, and 0 where they rose."""
    return [max(0.0, high - low) for high, low in zip(before, after, strict=True)]


def _height(row: Sequence[float]) -> float:
    """How high a passage's scores are in all; low ones, of which nothing hangs, count alike."""
    return sum(_logit(max(score, FLOOR)) for score in row)


def _logit(score: float) -> float:
    inside = min(max(score, _EDGE), 1 - _EDGE)
    return math.log(inside / (1 - inside))
