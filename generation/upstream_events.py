"""The events of a streamed chat completion: bytes in, deltas out, everything foreign checked.

The wire format is OpenAI's, as vLLM, llama.cpp and Ollama speak it: Server-Sent Events whose
data are `chat.completion.chunk` objects, and `[DONE]` last.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from inference.errors import ModelUnavailable
from inference.generator import Finish

MAX_LINE_BYTES = 1024 * 1024
MAX_RESPONSE_BYTES = 16 * 1024 * 1024
DONE = b"[DONE]"

FINISHES = {"length": Finish.LENGTH, "content_filter": Finish.BLOCKED}
"""Every other reason means that the model came to its end."""


@dataclass(frozen=True, slots=True)
class Delta:
    """What one event adds. `usage` is prompt and completion tokens."""

    text: str = ""
    finish: Finish | None = None
    usage: tuple[int, int] | None = None


class BadUpstream(ModelUnavailable):
    """The server said something that is no chat completion."""

    retryable = True


def deltas(chunks: Iterable[bytes]) -> Iterator[Delta | None]:
    """The events of a response's body; None for a line that only keeps the connection alive.

    Ends with the stream, or behind `[DONE]`. Raises BadUpstream.
    """
    for line in lines(chunks):
        name, _, data = line.partition(b":")
        if name != b"data":
            yield None
        elif data.strip() == DONE:
            return
        else:
            yield parse(data)


def lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines without their ends; raises BadUpstream where one or all are too long."""
    rest, total = b"", 0
    for chunk in chunks:
        total += len(chunk)
        if total > MAX_RESPONSE_BYTES:
            raise BadUpstream(f"The model's server sent more than {MAX_RESPONSE_BYTES} bytes.")
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > MAX_LINE_BYTES or any(len(line) > MAX_LINE_BYTES for line in whole):
            raise BadUpstream(f"The model's server sent a line over {MAX_LINE_BYTES} bytes.")
        yield from (line.rstrip(b"\r") for line in whole)
    if rest:
        yield rest


def parse(data: bytes) -> Delta:
    """One event's data; raises BadUpstream."""
    try:
        found = json.loads(data.decode())
    except (ValueError, RecursionError):
        raise BadUpstream("The model's server sent an event that is not JSON.") from None
    if not isinstance(found, dict):
        raise BadUpstream("The model's server sent an event that is not an object.")
    if found.get("error"):
        raise BadUpstream("The model's server failed in the middle of its answer.")
    choices, usage = found.get("choices"), _usage(found.get("usage"))
    if choices is None and usage:
        return Delta(usage=usage)
    if not isinstance(choices, list):
        raise BadUpstream("The model's server sent an event without choices.")
    return _delta(choices[0], usage) if choices else Delta(usage=usage)


def _delta(choice: object, usage: tuple[int, int] | None) -> Delta:
    if not isinstance(choice, dict) or not isinstance(choice.get("delta") or {}, dict):
        raise BadUpstream("The model's server sent a choice without a delta.")
    text = (choice.get("delta") or {}).get("content")
    finish = choice.get("finish_reason")
    if not isinstance(text, str | None) or not isinstance(finish, str | None):
        raise BadUpstream("The model's server sent a delta of a wrong type.")
    return Delta(text or "", FINISHES.get(finish, Finish.STOP) if finish else None, usage)


def _usage(found: object) -> tuple[int, int] | None:
    """Prompt and completion tokens; None where a server counts in another way, or not at all."""
    if not isinstance(found, Mapping):
        return None
    counts: list[Any] = [found.get("prompt_tokens"), found.get("completion_tokens")]
    if any(not isinstance(each, int) or isinstance(each, bool) or each < 0 for each in counts):
        return None
    return counts[0], counts[1]


class WholeCharacters:
    """Joins the halves of a character that a server's JSON tore apart."""

    def __init__(self) -> None:
        self._half = ""

    def push(self, text: str) -> str:
        """The text with what was held back before it, without half a character at its end."""
        text = self._half + text
        self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        whole = text[: len(text) - len(self._half)]
        return whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
