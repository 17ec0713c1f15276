"""Words that a model knows, the most frequent first: which reading of a disguised word is one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from itertools import chain
from math import log

from inference.disguises import COMMON, STEMS, stem_of, walk

_WORD = re.compile("[a-z]+")
_LETTERS = re.compile("[a-z]{2,}")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"
_VOWELS = re.compile("[aeiou]")
_INSULTS = (
    "asswipe", "bigot", "clusterfuck", "creep", "cretin", "cuck", "degenerate", "dipshit",
    "douche", "douchebag", "dumbfuck", "dweeb", "fuckface", "fuckwit", "halfwit", "homo",
    "hypocrite", "imbecile", "incel", "lesbo", "libtard", "misogynist", "nutjob", "pedo",
    "pedophile", "pervert", "psycho", "racist", "rapey", "scumbag", "shithead", "simp",
    "subhuman", "supremacist", "terrorist", "thot",
)  # fmt: skip
_OTHERS = (
    "boasting", "bras", "carne", "clams", "clot", "crass", "goers", "loin",
    "preform", "snag", "voila",
)  # fmt: skip
"""Words of chats that the list lacks and that are one swap away from others."""
_TYPED = (
    "arent", "cant", "couldnt", "didnt", "doesnt", "dont", "hasnt", "havent", "isnt", "shouldnt",
    "thats", "theyre", "wasnt", "whats", "wont", "wouldnt", "youre",
)  # fmt: skip
"""Words without their apostrophes, which the list has only in parts."""
_TYPED_RANK = 500
_HIDDEN_RANK = 6000
"""Where words worth hiding stand that the list lacks."""
_RARE_RANK = 20_000
_ENDINGS = ("s", "es", "d", "ed", "ing", "er", "ers", "ly")
_FREQUENT, _FREQUENT_BASE = 12_000, 2000
_LONGEST = 16
_LEAST = 5
"""Letters of a word that is read for one with a letter twice or once."""
_LONGEST_SPELLED = 400
_STRANGER, _STRANGE_LETTER = 11.0, 1.5
_SHORT = frozenset(word for word in COMMON if len(word) < 3) | {
    "am", "an", "as", "at", "by", "hi", "if", "oh", "us",
}  # fmt: skip


class Vocabulary:
    """Words in lower case with their ranks; also those of the list with a usual ending."""

    def __init__(self, words: Iterable[str]) -> None:
        """The words must come in order of frequency; what is no word of Latin letters is none."""
        letters = dict.fromkeys(word for word in words if _WORD.fullmatch(word))
        self._ranks = {word: rank for rank, word in enumerate(letters)}
        for word in (*STEMS, *_INSULTS):
            self._ranks[word] = min(self._ranks.get(word, _HIDDEN_RANK), _HIDDEN_RANK)
        for word in _OTHERS:
            self._ranks.setdefault(word, _RARE_RANK)
        for word in _TYPED:
            self._ranks.setdefault(word, _TYPED_RANK)
        self.rank = lru_cache(8192)(self._rank)
        self.unswapped = lru_cache(8192)(self._unswapped)
        self.near = lru_cache(8192)(self._near)

    def __contains__(self, word: str) -> bool:
        """Whether the list has the word as it is."""
        return word in self._ranks

    def _rank(self, word: str) -> int | None:
        """How many words are more frequent; None for a word that is not known."""
        found = self._ranks.get(word)
        if found is not None:
            return found
        ranks = [rank for base in _bases(word) if (rank := self._ranks.get(base)) is not None]
        return 1000 + min(ranks) if ranks else None

    def _unswapped(self, word: str) -> str | None:
        """The most frequent word that a swap of two inner letters makes of an unknown one.

        A letter that is single for double, or double for single, is as near.
        """
        if self.rank(word) is not None:
            return None
        swaps = (
            word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(1, len(word) - 2)
        )
        doubled = (near for near in _doubled(word) if len(near) >= _LEAST and near in self._ranks)
        return self.best(chain(swaps, doubled))

    def _near(self, word: str) -> str | None:
        """The most frequent word one letter away from an unknown one."""
        if self.rank(word) is not None:
            return None
        ranked = [(self._ranks[near], near) for near in _one_off(word) if near in self._ranks]
        found = min(ranked)[1] if ranked and min(ranked)[0] < _FREQUENT else None
        return self.unswapped(word) or found

    def is_frequent(self, word: str) -> bool:
        """Whether a word may be meant that is not written so."""
        rank = self.rank(word)
        return rank is not None and rank < (_FREQUENT if word in self else _FREQUENT_BASE)

    def doubts(self, text: str) -> bool:
        """Whether there is an unknown word, which may be a known one that is spelled otherwise."""
        strangers = " ".join(set(text.lower().split()).difference(self._ranks))
        return any(word not in self._ranks for word in _LETTERS.findall(strangers))

    def best(self, words: Iterable[str], margin: int = 1) -> str | None:
        """The most frequent, if it is known and no other is nearly as frequent."""
        ranked = sorted((rank, w) for w in set(words) if (rank := self.rank(w)) is not None)
        if not ranked or (len(ranked) > 1 and ranked[1][0] < ranked[0][0] * margin):
            return None
        return ranked[0][1]

    @cached_property
    def skeletons(self) -> dict[str, str]:
        """The most frequent word for what is left of it without vowels."""
        found: dict[str, str] = {}
        for word in sorted(self._ranks, key=self._eagerness):
            if len(word) > 3:
                found.setdefault(skeleton(word), word)
        return found

    def _eagerness(self, word: str) -> int:
        """Its rank; a word worth hiding stands before others that are about as frequent."""
        return self._ranks[word] // (8 if stem_of(word) else 1)

    def segment(self, letters: str) -> list[str]:
        """The letters as the most likely words; what is none is a piece of its own."""
        if len(letters) > _LONGEST_SPELLED:
            return [letters]
        costs = [0.0]
        began = [0]
        for end in range(1, len(letters) + 1):
            cost, start = min(
                (costs[start] + self._cost(letters[start:end]), start)
                for start in range(max(0, end - _LONGEST), end)
            )
            costs.append(cost)
            began.append(start)
        return walk(letters, began)

    def cost(self, letters: str) -> float:
        """How unlikely the letters are, as words."""
        return sum(map(self._cost, self.segment(letters)))

    def is_word(self, word: str) -> bool:
        """Whether it stands as a word of its own where letters are told apart."""
        return word in _SHORT if len(word) < 3 else self.rank(word) is not None

    def _cost(self, word: str) -> float:
        rank = self.rank(word) if self.is_word(word) else None
        if rank is None:
            return _STRANGER + _STRANGE_LETTER * len(word)
        return log(rank + 30)


def skeleton(word: str) -> str:
    """The word without its vowels but one that it begins with."""
    return word[:1] + _VOWELS.sub("", word[1:])


def _doubled(word: str) -> Iterator[str]:
    for at in range(1, len(word)):
        if word[at] == word[at - 1]:
            yield word[:at] + word[at + 1 :]
        else:
            yield word[:at] + word[at - 1] + word[at:]
    yield word + word[-1]


def _one_off(word: str) -> Iterator[str]:
    """With a letter inside left out, put in or another; the first one may only be another."""
    for at in range(len(word)):
        head, tail = word[:at], word[at + 1 :]
        if at:
            yield head + tail
        for letter in _ALPHABET:
            yield head + letter + tail
            yield word[: at + 1] + letter + tail


def _bases(word: str) -> Iterable[str]:
    for ending in _ENDINGS:
        base = word.removesuffix(ending)
        if base != word and len(base) > 2 and not (ending == "s" and base[-1] == "s"):
            if len(base) > 3 or base in STEMS:
                yield base
            if ending in {"ing", "ed", "er", "ers"}:
                yield base + "e"
                if base[-1] == base[-2]:
                    yield base[:-1]
