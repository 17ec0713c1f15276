"""The words of a larger model that a small one keeps, and the tokenizer that writes with them.

Of a byte-level tokenizer's tokens those stay that dialogues use most, each with the pairs it is
merged from, so that any text can still be written, only in more pieces.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from training.chat_tokens import MARKS

Merge = tuple[str, str]


def choose(
    tokens: Sequence[str], merges: Sequence[Merge], texts: Iterable[str], size: int
) -> list[str]:
    """So many tokens, bytes first: the most used ones, each with what it is merged from."""
    whole = tokenizer(tokens, merges, marks=False)
    used = Counter(
        token
        for row in whole.encode_batch(list(texts), add_special_tokens=False)
        for token in row.tokens
    )
    parents: dict[str, Merge] = {}
    for one, two in merges:
        parents.setdefault(one + two, (one, two))
    kept = dict.fromkeys(sorted(pre_tokenizers.ByteLevel.alphabet()))
    for token, _ in used.most_common():
        family = [each for each in _family(token, parents) if each not in kept]
        if len(kept) + len(family) <= size:
            kept |= dict.fromkeys(family)
    return list(kept)


def _family(token: str, parents: Mapping[str, Merge]) -> list[str]:
    if token not in parents:
        return [token]
    return [*(old for part in parents[token] for old in _family(part, parents)), token]


def tokenizer(tokens: Sequence[str], merges: Sequence[Merge], *, marks: bool = True) -> Tokenizer:
    """A byte-level tokenizer of these tokens, after the marks; digits stand alone."""
    known = [*MARKS, *tokens] if marks else list(tokens)
    numbers = {token: number for number, token in enumerate(known)}
    fit = [each for each in merges if {*each, "".join(each)} <= numbers.keys()]
    made = Tokenizer(models.BPE(vocab=numbers, merges=fit))
    parts = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    made.pre_tokenizer = pre_tokenizers.Sequence(parts)
    made.decoder = decoders.ByteLevel()
    if marks:
        made.add_special_tokens([AddedToken(mark, special=True) for mark in MARKS])
    return made
