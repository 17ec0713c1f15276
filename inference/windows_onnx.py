"""Cuts texts into windows of tokens that a model reads at once, and tells where each one stood."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

# One thread for each process; the tokenizer's own pool would compete with the other workers.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from tokenizers import Tokenizer, models

from inference.errors import BadModel
from inference.mentions import LINK, MENTION
from inference.normalisation import Normalised, leave_out, normalise
from inference.versions import LeftOut, Manifest, WindowReduction
from inference.vocabulary import Vocabulary
from inference.words import Span, original

Ids = list[int]
_LEFT_OUT = {LeftOut.LINKS: LINK, LeftOut.MENTIONS: MENTION}


@dataclass(frozen=True, slots=True)
class Cut:
    """A text's windows, marks included.

    `spans` are the characters of the text that each window reads, where there are several windows
    and the worst of them counts; otherwise there are none.
    """

    windows: list[Ids]
    spans: Sequence[Span] = ()


class Windows:
    """A version's tokenizer with its marks. Raises BadModel."""

    def __init__(self, tokenizer: Path, manifest: Manifest) -> None:
        self._tokenizer = opened(tokenizer, f"{tokenizer.name} of {manifest.ref}")
        self._vocabulary = vocabulary_of(self._tokenizer)
        self._prefix, self._suffix = _marks(self._tokenizer)
        self._size = manifest.max_tokens - len(self._prefix) - len(self._suffix)
        self._places = manifest.window_reduction is WindowReduction.MAX
        self._left_out = [_LEFT_OUT[each] for each in manifest.leaves_out]
        self.pad = self._tokenizer.token_to_id("[PAD]") or 0

    def cut(self, text: str) -> Cut:
        """The text as windows of at most `max_tokens` tokens that overlap by a quarter."""
        read = _normalised(text, self._vocabulary)
        if self._left_out:
            read = leave_out(read, self._left_out)
        encoding = self._tokenizer.encode(whole(read.text), add_special_tokens=False)
        ids = encoding.ids
        step = self._size - self._size // 4
        last = max(0, len(ids) - self._size)
        starts = [*range(0, last, step), last]
        ends = [min(start + self._size, len(ids)) for start in starts]
        windows = [
            [*self._prefix, *ids[start:end], *self._suffix]
            for start, end in zip(starts, ends, strict=True)
        ]
        if len(windows) == 1 or not self._places:
            return Cut(windows)
        offsets = encoding.offsets
        spans = [
            _span(text, read, offsets[start][0], offsets[end - 1][1])
            for start, end in zip(starts, ends, strict=True)
        ]
        return Cut(windows, spans)


def _span(text: str, read: Normalised, start: int, end: int) -> Span:
    """The original characters; a tokenizer may give a token that stands for none."""
    first = min(start, len(read.offsets) - 1)
    return original(text, read, first, max(end, first + 1))


def vocabulary_of(tokenizer: Tokenizer) -> Vocabulary | None:
    """The words of a tokenizer that keeps whole words, in order of frequency."""
    if not isinstance(tokenizer.model, models.WordPiece):
        return None
    numbers = tokenizer.get_vocab(with_added_tokens=False)
    return _vocabulary(tuple(sorted(numbers, key=numbers.__getitem__)))


_vocabulary = lru_cache(maxsize=4)(Vocabulary)
"""Models of one family share theirs."""
_normalised = lru_cache(maxsize=64)(normalise)
"""Every plugin reads the same batch."""


def whole(text: str) -> str:
    """Each lone surrogate as a question mark."""
    return text.encode("utf-8", "replace").decode()


def opened(path: Path, name: str) -> Any:
    """The tokenizer of a file, neither padding nor cutting off; raises BadModel with the name."""
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # The library raises plain Exception.
        raise BadModel(f"{name} is not a tokenizer: {error}.") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _marks(tokenizer: Any) -> tuple[Ids, Ids]:
    """The special tokens that the tokenizer puts before and after a text."""
    marked = tokenizer.encode("a")
    plain = len(tokenizer.encode("a", add_special_tokens=False).ids)
    before = marked.special_tokens_mask.index(0) if 0 in marked.special_tokens_mask else 0
    return marked.ids[:before], marked.ids[before + plain :]
