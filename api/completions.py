"""OpenAI's chat completions as values: what a request may hold, and what an answer looks like.

The shapes are those of https://platform.openai.com/docs/api-reference/chat. What would change an
answer and is not supported is refused; what does not is ignored.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from generation.asking import Asked
from generation.generations import FinishReason, OnDisconnect, Usage
from inference.errors import BadFrame, Unsupported
from inference.generator import Role, Turn

MAX_TURNS = 256
MAX_CONTENT = 200_000
"""Code points of one message."""
MAX_USER = 128
MAX_STOPS = 4
ROLES = {
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
}
NEUTRAL: Mapping[str, Sequence[Any]] = {
    "n": (1,),
    "tools": ([],),
    "functions": ([],),
    "logprobs": (False,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
}
"""What is not supported, with the values that ask for nothing."""
FINISH = {
    FinishReason.STOP: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.CANCELLED: "stop",
    FinishReason.BLOCKED: "content_filter",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request that was understood."""

    asked: Asked
    streams: bool
    usage_at_end: bool
    user: str
    """Whom the program speaks for; "" for itself."""


def wanted(body: Mapping[str, Any], ref: str) -> Wanted:
    """The request; raises BadFrame, or Unsupported for what would change the answer."""
    given = {name: value for name, value in body.items() if value is not None}
    for name, values in NEUTRAL.items():
        if name in given and given[name] not in values:
            raise Unsupported(f"'{name}' is not supported.")
    options = given.get("stream_options", {})
    if not isinstance(options, dict):
        raise BadFrame("'stream_options' must be an object.")
    return Wanted(
        asked=_asked(given, ref),
        streams=_flag(given, "stream"),
        usage_at_end=_flag(options, "include_usage"),
        user=_text(given, "user", MAX_USER) if "user" in given else "",
    )


def _asked(given: Mapping[str, Any], ref: str) -> Asked:
    top_p = _number(given, "top_p", 1.0)
    if top_p == 0:
        raise BadFrame("'top_p' must be above 0.")
    limit = "max_completion_tokens" if "max_completion_tokens" in given else "max_tokens"
    return Asked(
        ref=ref,
        turns=_turns(given),
        model=_text(given, "model", 100),
        max_tokens=_whole(given, limit, 1),
        temperature=_number(given, "temperature", 2.0),
        top_p=top_p,
        seed=_seed(given),
        stop=_stop(given),
        on_disconnect=OnDisconnect.CANCEL,
    )


def _turns(given: Mapping[str, Any]) -> tuple[Turn, ...]:
    found = given.get("messages")
    if not isinstance(found, list) or not 1 <= len(found) <= MAX_TURNS:
        raise BadFrame(f"'messages' must be an array of 1 to {MAX_TURNS} messages.")
    turns = tuple(_turn(each, place) for place, each in enumerate(found))
    if turns[-1].role is not Role.USER:
        raise BadFrame("The last of 'messages' must be the user's.")
    return turns


def _turn(given: Any, place: int) -> Turn:
    name = f"messages[{place}]"
    if not isinstance(given, dict):
        raise BadFrame(f"'{name}' must be an object.")
    role = given.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise BadFrame(f"'{name}.role' must be one of {', '.join(ROLES)}.")
    content = _content(given.get("content"), name)
    if not content or len(content) > MAX_CONTENT:
        raise BadFrame(f"'{name}.content' must have 1 to {MAX_CONTENT} characters.")
    return Turn(ROLES[role], _clean(content, name))


def _content(found: Any, name: str) -> str:
    """A text, or the texts of an array of parts, one after the other."""
    if isinstance(found, str):
        return found
    if not isinstance(found, list) or not all(isinstance(part, dict) for part in found):
        raise BadFrame(f"'{name}.content' must be a text or an array of parts.")
    if any(part.get("type") != "text" for part in found):
        raise Unsupported(f"'{name}.content' may hold parts of the type text only.")
    texts = [part.get("text") for part in found]
    if not all(isinstance(text, str) for text in texts):
        raise BadFrame(f"'{name}.content' has a part without a text.")
    return "".join(map(str, texts))


def _clean(text: str, name: str) -> str:
    """The text, which must be storable: raises BadFrame."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise BadFrame(f"'{name}' holds NUL or half of a surrogate pair.")
    return text


def _text(given: Mapping[str, Any], name: str, longest: int) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= longest:
        raise BadFrame(f"'{name}' must be a text of 1 to {longest} characters.")
    return _clean(value, name)


def _flag(given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise BadFrame(f"'{name}' must be true or false.")
    return value


def _whole(given: Mapping[str, Any], name: str, least: int) -> int | None:
    if name not in given:
        return None
    value = given[name]
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise BadFrame(f"'{name}' must be a whole number from {least} on.")
    return value


def _seed(given: Mapping[str, Any]) -> int | None:
    seed = _whole(given, "seed", -(2**63))
    return None if seed is None else seed % 2**63


def _number(given: Mapping[str, Any], name: str, most: float) -> float | None:
    if name not in given:
        return None
    value = given[name]
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    if not fits or not 0 <= value <= most:
        raise BadFrame(f"'{name}' must be a number from 0 to {most:g}.")
    return float(value)


def _stop(given: Mapping[str, Any]) -> tuple[str, ...]:
    found = given.get("stop", [])
    texts = [found] if isinstance(found, str) else found
    if not isinstance(texts, list) or len(texts) > MAX_STOPS:
        raise BadFrame(f"'stop' must be a text, or an array of up to {MAX_STOPS} texts.")
    return tuple(_text({"stop": each}, "stop", 100) for each in texts)


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
