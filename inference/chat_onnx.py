"""Conversations as the tokens that a decoder reads, and its tokens as bytes."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from inference.decoder_format import DecoderFormat
from inference.errors import BadModel, TooLarge
from inference.generator import Role, Turn
from inference.windows_onnx import opened

_SPACE = "▁"
"""What stands for a space in the vocabularies of SentencePiece."""


class ChatTokenizer:
    """Writes the chat template around turns. What a turn says can never become a mark.

    Raises BadModel where tokenizer and manifest do not fit together.
    """

    def __init__(self, path: Path, form: DecoderFormat) -> None:
        self._context = form.context
        self._contents = opened(path, path.name)
        self._contents.encode_special_tokens = True
        marks = opened(path, path.name)
        self._start = _ids(marks, form.start)
        self._marks = {
            role: (_ids(marks, each.before), _ids(marks, each.after))
            for role, each in form.template.items()
        }
        self.stop_tokens = frozenset(_token(marks, each) for each in form.stop_tokens)
        self.table = _table(marks, form.vocab)
        self._longest = max(map(len, self.table), default=1) or 1
        self._check_marks(marks)

    def encode(self, turns: Sequence[Turn]) -> list[int]:
        """The prompt up to where the answer begins; raises TooLarge if nothing can follow it."""
        if (least := self._least(turns)) < self._context:
            tokens = self._encode(turns)
            if len(tokens) < self._context:
                return tokens
            least = len(tokens)
        raise TooLarge(
            f"The prompt has at least {least} tokens; prompt and answer together "
            f"may have {self._context}."
        )

    def count(self, turns: Sequence[Turn]) -> int:
        """Tokens of a prompt; for one far beyond the context, fewer than there are."""
        least = self._least(turns)
        return len(self._encode(turns)) if least < self._context else least

    def _least(self, turns: Iterable[Turn]) -> int:
        """Fewer tokens a prompt cannot have: counted without reading it token by token."""
        return sum(len(_bytes(turn.content)) for turn in turns) // self._longest

    def _encode(self, turns: Iterable[Turn]) -> list[int]:
        tokens = list(self._start)
        for turn in turns:
            before, after = self._marks[turn.role]
            tokens += [*before, *_ids(self._contents, _bytes(turn.content).decode()), *after]
        return [*tokens, *self._marks[Role.ASSISTANT][0]]

    def _check_marks(self, marks: Any) -> None:
        """Raises BadModel if a turn's text could be read as one of the template's tokens."""
        added = marks.get_added_tokens_decoder()
        used = {self._start, *(ids for pair in self._marks.values() for ids in pair)}
        for token in {token for ids in used for token in ids} | self.stop_tokens:
            if token in added and token in _ids(self._contents, added[token].content):
                raise BadModel(
                    f"The tokenizer reads {added[token].content!r} in a turn's text as a mark; "
                    "it must be a special token."
                )


def _bytes(text: str) -> bytes:
    """The text without lone surrogates, which no tokenizer reads."""
    return text.encode("utf-8", "replace")


def _ids(tokenizer: Any, text: str) -> tuple[int, ...]:
    return tuple(tokenizer.encode(text, add_special_tokens=False).ids)


def _token(tokenizer: Any, text: str) -> int:
    token = tokenizer.token_to_id(text)
    if token is None:
        raise BadModel(f"The tokenizer has no token {text!r}, which is to end answers.")
    return int(token)


def _table(tokenizer: Any, vocab: int) -> list[bytes]:
    """The bytes of each token; none for special ones and for those that only the model has."""
    known: dict[str, int] = tokenizer.get_vocab(with_added_tokens=True)
    if (largest := max(known.values(), default=-1)) >= vocab:
        raise BadModel(f"The tokenizer has the token {largest}; the model has {vocab} only.")
    added = tokenizer.get_added_tokens_decoder()
    kinds = _kinds(json.loads(tokenizer.to_str())["decoder"])
    read = _byte_level if "ByteLevel" in kinds else _sentence_piece
    if not kinds & {"ByteLevel", "ByteFallback", "Metaspace"}:
        raise BadModel(f"The tokenizer's decoder {sorted(kinds)} is not one of those known here.")
    table = [b""] * vocab
    for text, token in known.items():
        if token not in added:
            table[token] = read(text)
        elif not added[token].special:
            table[token] = text.encode()
    return table


def _kinds(found: Any) -> set[str]:
    """The types of a tokenizer's decoders."""
    if not isinstance(found, dict):
        return set()
    inner = [_kinds(each) for each in found.get("decoders", ())]
    return {str(found.get("type")), *(kind for kinds in inner for kind in kinds)}


def _byte_level(text: str) -> bytes:
    return bytes(_BYTES[char] for char in text if char in _BYTES)


def _sentence_piece(text: str) -> bytes:
    if len(text) == 6 and text.startswith("<0x") and text.endswith(">"):
        return bytes.fromhex(text[3:5])
    return text.replace(_SPACE, " ").encode()


def _byte_characters() -> dict[str, int]:
    """The characters that stand for bytes in byte-level vocabularies: printable ones for
    themselves, the others from U+0100 on (Radford et al., GPT-2, 2019)."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    shifted = {chr(0x100 + place): byte for place, byte in enumerate(others)}
    return {chr(byte): byte for byte in plain} | shifted


_BYTES = _byte_characters()
