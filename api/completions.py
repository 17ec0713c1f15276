"""OpenAI's chat completions as values: what an answer looks like. See `completion_requests` for
what may be asked.

The shapes are those of https://platform.openai.com/docs/api-reference/chat.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from generation.generations import FinishReason, Usage

FINISH = {
    FinishReason.STOP: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.CANCELLED: "stop",
    FinishReason.BLOCKED: "content_filter",
}


@dataclass(frozen=True, slots=True)
class Completion:
    """What stays the same in all that is said of one answer; `created` in seconds."""

    id: str
    model: str
    created: int
    usage_at_end: bool = False

    def whole(self, text: str, finish: FinishReason, usage: Usage) -> dict[str, Any]:
        """The answer in one piece."""
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": FINISH[finish],
        }
        return self._head("chat.completion") | {"choices": [choice], "usage": _usage(usage)}

    def first(self) -> bytes:
        """The first event: who speaks."""
        return self._chunk({"role": "assistant", "content": ""}, None)

    def piece(self, text: str) -> bytes:
        """An event with more text."""
        return self._chunk({"content": text}, None)

    def last(self, finish: FinishReason, usage: Usage) -> bytes:
        """The last events: why it ended, what it took if that was asked for, and the end."""
        found = self._chunk({}, FINISH[finish])
        if self.usage_at_end:
            found += event(self._head("chat.completion.chunk") | self._used(usage, []))
        return found + DONE

    def _chunk(self, delta: Mapping[str, Any], finish: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return event(self._head("chat.completion.chunk") | self._used(None, [choice]))

    def _used(self, usage: Usage | None, choices: list[Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"choices": choices}
        if self.usage_at_end:
            found["usage"] = usage and _usage(usage)
        return found

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self.id}",
            "object": kind,
            "created": self.created,
            "model": self.model,
        }


DONE = b"data: [DONE]\n\n"
WAITING = b": waiting\n\n"
"""A comment: it keeps connections, and proxies on the way, from falling asleep."""


def event(found: Mapping[str, Any]) -> bytes:
    """One event of the answer's stream."""
    return b"data: " + json.dumps(found, separators=(",", ":")).encode() + b"\n\n"


def model(name: str) -> dict[str, Any]:
    """A model as lists of models show it."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "rtai"}


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
