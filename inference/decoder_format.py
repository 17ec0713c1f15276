"""What a manifest says of a decoder: its sizes, and how a conversation becomes one text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from inference.errors import BadModel
from inference.generator import Role

MAX_LAYERS = 256
MAX_CONTEXT = 1_048_576
MAX_VOCAB = 1_048_576
MAX_STOP_TOKENS = 32

_SIZES = {
    "layers": (1, MAX_LAYERS),
    "kv_heads": (1, 256),
    "head_dim": (8, 1024),
    "context": (16, MAX_CONTEXT),
    "vocab": (8, MAX_VOCAB),
}
_MARK = re.compile(r"[^\ud800-\udfff\0]{0,200}")
_TOKEN = re.compile(r"[^\ud800-\udfff\0]{1,100}")


@dataclass(frozen=True, slots=True)
class Marks:
    """What stands before and after a turn."""

    before: str
    after: str


@dataclass(frozen=True, slots=True)
class DecoderFormat:
    """A decoder's sizes, chat template and end marks.

    `start` stands once before the first turn. The answer begins behind the assistant's mark and
    ends before the first of `stop_tokens`.
    """

    layers: int
    kv_heads: int
    head_dim: int
    context: int
    """Prompt and answer together have at most so many tokens."""
    vocab: int
    template: Mapping[Role, Marks]
    stop_tokens: tuple[str, ...]
    start: str = field(default="")

    @property
    def cache_bytes(self) -> int:
        """Keys and values of one sequence as long as the context, in single precision."""
        return 2 * self.layers * self.kv_heads * self.head_dim * self.context * 4


def parse(found: object) -> DecoderFormat:
    """The manifest's object `decoder`; raises BadModel that says what was expected."""
    if not isinstance(found, dict):
        raise _unexpected("", "an object", found)
    names = {*_SIZES, "template", "stop_tokens"}
    if missing := sorted(names - set(found)):
        raise _unexpected("", f"an object with {', '.join(missing)}", sorted(found))
    if unknown := sorted(set(found) - names - {"start"}):
        raise _unexpected("", f"an object without {', '.join(unknown)}", sorted(found))
    return DecoderFormat(
        **{name: _size(found, name) for name in _SIZES},
        template=_template(found["template"]),
        stop_tokens=_stop_tokens(found["stop_tokens"]),
        start=_text("start", found.get("start", ""), _MARK),
    )


def _size(found: Mapping[str, Any], name: str) -> int:
    low, high = _SIZES[name]
    value = found[name]
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise _unexpected(f".{name}", f"a number from {low} to {high}", value)
    return value


def _template(found: object) -> dict[Role, Marks]:
    if not isinstance(found, dict) or set(found) != set(Role):
        raise _unexpected(".template", f"an object with {', '.join(Role)}", found)
    return {role: _marks(role, found[role]) for role in Role}


def _marks(role: Role, found: object) -> Marks:
    if not isinstance(found, list) or len(found) != 2:
        raise _unexpected(f".template.{role}", "what stands before a turn, and after it", found)
    before, after = (_text(f"template.{role}", each, _MARK) for each in found)
    return Marks(before, after)


def _stop_tokens(found: object) -> tuple[str, ...]:
    if not isinstance(found, list) or not 0 < len(found) <= MAX_STOP_TOKENS:
        raise _unexpected(".stop_tokens", f"a list of 1 to {MAX_STOP_TOKENS} tokens", found)
    return tuple(_text("stop_tokens", each, _TOKEN) for each in found)


def _text(name: str, found: object, allowed: re.Pattern[str]) -> str:
    if not isinstance(found, str) or not allowed.fullmatch(found):
        raise _unexpected(f".{name}", "text of at most 200 characters", found)
    return found


def _unexpected(name: str, expected: str, came: object) -> BadModel:
    return BadModel(f"manifest.json: decoder{name} must be {expected}; it is {repr(came)[:100]}.")
