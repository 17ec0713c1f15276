"""The words of a text as the model reads them, each with its place in the original."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inference.normalisation import Normalised, normalise

_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(f'[{_UNSPACED}]|[^\\s,;:/\u2026\u2014()\\[\\]"{_UNSPACED}]+')
"""Scripts that put no spaces between words have a word for each character."""
_BEFORE = "'‘“«<*_-–.¿¡"
_AFTER = "'’”»>*_-–.!?"


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` up to, but not including, `end` of the original text."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """How many characters it covers."""
        return self.end - self.start


def words(text: str) -> list[Span]:
    """The words in order; no two overlap, none is empty, none begins or ends with a blank.

    A disguised word ("f u c k", "sh​it", an emoji) is one span over all that it is made of.
    """
    read = normalise(text)
    spans: list[Span] = []
    for match in _WORD.finditer(read.text):
        span = _trimmed(text, original(text, read, match.start(), match.end()))
        if spans and span.start < spans[-1].end:
            # Several words read out of one character: together they are one.
            span = Span(spans.pop().start, span.end)
        if span.length:
            spans.append(span)
    return spans


@dataclass(frozen=True, slots=True)
class Passage:
    """Characters `start` to `end` of a text, and the numbers of the words in them."""

    start: int
    end: int
    words: range


def passages(text: str, found: Sequence[Span], size: int) -> list[Passage]:
    """The text in passages of at most `size` words, cut at the ends of sentences where it can be.

    `found` are the text's words, at least one. The passages together are the whole text.
    """
    firsts = [0]
    for number in range(1, len(found)):
        between = text[found[number - 1].end : found[number].start]
        so_far = number - firsts[-1]
        if so_far >= size or (so_far * 3 >= size and any(mark in between for mark in ".!?\n")):
            firsts.append(number)
    starts = [0, *(found[first].start for first in firsts[1:])]
    return [
        Passage(start, end, range(first, last))
        for start, end, first, last in zip(
            starts, [*starts[1:], len(text)], firsts, [*firsts[1:], len(found)], strict=True
        )
    ]


def original(text: str, read: Normalised, start: int, end: int) -> Span:
    """Where characters `start` to `end` of the normalised text stood, and what hid between.

    They must be at least one.
    """
    last = read.offsets[end - 1]
    after = next((place for place in read.offsets[end:] if place > last), len(text))
    return Span(read.offsets[start], after)


def without(text: str, spans: Iterable[Span]) -> str:
    """The text with these spans cut out; they must be in order and may not overlap."""
    kept: list[str] = []
    end = 0
    for span in spans:
        kept.append(text[end : span.start])
        end = span.end
    return "".join(kept) + text[end:]


def _trimmed(text: str, span: Span) -> Span:
    """Without blanks and closing marks around it, unless nothing else is there."""
    start, end = span.start, span.end
    while end > start and text[end - 1].isspace():
        end -= 1
    first, last = start, end
    while last > first and (text[last - 1] in _AFTER or text[last - 1].isspace()):
        last -= 1
    while first < last and (text[first] in _BEFORE or text[first].isspace()):
        first += 1
    return Span(first, last) if first < last else Span(start, end)
