"""What a server of chat completions is asked, and what its refusals mean."""

import json
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from generation.assistants import ModelSettings
from inference.errors import ModelUnavailable, Overloaded, RtaiError, TooLarge
from inference.generator import Prompt, Turn

BYTES_PER_TOKEN = 4
"""English text has about so many; what counts exactly is the server."""
MARK_TOKENS = 4
"""Around each turn."""
GAP = "\n\n"
"""Between turns that are joined."""
RETRIED = frozenset({429, 502, 503, 504})
REFUSED = {
    401: "does not accept the key",
    403: "does not allow this key to use the model",
    404: "does not know the model or the address",
}
_CODE = re.compile(r"[a-z][a-z_]{0,63}")


def body(settings: ModelSettings, prompt: Prompt, *, limit: str) -> dict[str, Any]:
    """The request's JSON; `limit` names the field of `max_tokens`, which differs by server."""
    sampling = prompt.sampling
    asked: dict[str, Any] = {
        "model": settings.upstream_model,
        "messages": [{"role": turn.role, "content": turn.content} for turn in joined(prompt.turns)],
        "stream": True,
        "stream_options": {"include_usage": True},
        limit: sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
    }
    if sampling.seed is not None:
        asked["seed"] = sampling.seed
    if sampling.stop:
        asked["stop"] = list(sampling.stop)
    return asked


def joined(turns: Sequence[Turn]) -> list[Turn]:
    """Neighbours of one role as one turn: many models' templates refuse two in a row."""
    return [
        Turn(role, GAP.join(turn.content for turn in neighbours))
        for role, neighbours in groupby(turns, key=lambda turn: turn.role)
    ]


def estimate(turns: Sequence[Turn]) -> int:
    """About how many tokens a prompt has."""
    return sum(_size(turn) // BYTES_PER_TOKEN + 1 + MARK_TOKENS for turn in turns)


def check_size(settings: ModelSettings, turns: Sequence[Turn]) -> None:
    """Raises TooLarge for a prompt that cannot fit, so that it does not travel."""
    if estimate(turns) > 2 * settings.context_tokens:
        raise TooLarge(
            f"The prompt has about {estimate(turns)} tokens; prompt and answer together "
            f"may have {settings.context_tokens}."
        )


def refusal(status: int, content: bytes, retry_after_s: float | None) -> RtaiError:
    """What a status other than 200 means; the server's own words are not repeated, for they may
    hold a part of the key."""
    found = error_fields(content)
    code = found.get("code")
    if status == 413 or _is_about_length(found):
        return TooLarge("The prompt is too long for the model.")
    if status == 429:
        wait_ms = None if retry_after_s is None else int(retry_after_s * 1000)
        return Overloaded("The model's server is full.", retry_after_ms=wait_ms)
    if 300 <= status < 400:
        return ModelUnavailable("The model's server redirects; it must be named directly.")
    known = f" ({code})" if isinstance(code, str) and _CODE.fullmatch(code) else ""
    said = REFUSED.get(status, f"answered with the status {status}{known}")
    return ModelUnavailable(f"The model's server {said}.")


def error_fields(content: bytes) -> Mapping[str, Any]:
    """The fields of an error that a server describes; none where it does not."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    error = found.get("error") if isinstance(found, dict) else None
    return error if isinstance(error, dict) else {}


def _is_about_length(error: Mapping[str, Any]) -> bool:
    """Whether the prompt was too long; servers say so in ways of their own."""
    return (
        error.get("code") == "context_length_exceeded"  # OpenAI
        or error.get("type") == "exceed_context_size_error"  # llama.cpp
        or "maximum context length" in str(error.get("message"))  # vLLM
    )


def retry_after_s(value: str | None) -> float | None:
    """The header `Retry-After` in seconds; dates and nonsense are None."""
    if value is None or not re.fullmatch(r"\d{1,6}(\.\d{1,3})?", value.strip(), re.ASCII):
        return None
    return float(value)


def _size(turn: Turn) -> int:
    return len(turn.content.encode("utf-8", "replace"))
