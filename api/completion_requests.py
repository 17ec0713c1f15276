"""What a request for a chat completion may hold, in the shapes of
https://platform.openai.com/docs/api-reference/chat.

What would change an answer and is not supported is refused; what does not is ignored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.openai_errors import BadField, UnsupportedField
from generation.asking import Asked
from generation.generations import OnDisconnect
from inference.errors import TooLarge
from inference.generator import Role, Turn

MAX_TURNS = 256
MAX_CONTENT = 200_000
"""Code points of one message."""
MAX_USER = 128
MAX_CONVERSATION = 64
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
MISSING = "missing_required_parameter"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request that was understood."""

    asked: Asked
    streams: bool
    usage_at_end: bool
    user: str
    """Whom the program speaks for; "" for itself."""


def wanted(body: Mapping[str, Any], ref: str) -> Wanted:
    """The request; raises BadField, TooLarge, or UnsupportedField for what would change the
    answer."""
    given = {name: value for name, value in body.items() if value is not None}
    for name, values in NEUTRAL.items():
        if name in given and given[name] not in values:
            raise UnsupportedField(name, f"'{name}' is not supported.")
    options = _object(given, "stream_options")
    return Wanted(
        asked=_asked(given, ref),
        streams=_flag(given, "stream", "stream"),
        usage_at_end=_flag(options, "include_usage", "stream_options.include_usage"),
        user=_text(given, "user", MAX_USER) if given.get("user", "") != "" else "",
    )


def _asked(given: Mapping[str, Any], ref: str) -> Asked:
    limit = "max_completion_tokens" if "max_completion_tokens" in given else "max_tokens"
    return Asked(
        ref=ref,
        turns=_turns(given),
        model=_text(given, "model", 100),
        max_tokens=_whole(given, limit, 1),
        temperature=_number(given, "temperature", 2.0),
        top_p=_number(given, "top_p", 1.0),
        seed=_seed(given),
        stop=_stop(given),
        on_disconnect=OnDisconnect.CANCEL,
        conversation=_conversation(_object(given, "metadata")),
    )


def _turns(given: Mapping[str, Any]) -> tuple[Turn, ...]:
    """What was said; an assistant's turn without a text, as one that was blocked, says nothing."""
    found = given.get("messages")
    if not isinstance(found, list) or not 1 <= len(found) <= MAX_TURNS:
        detail = f"'messages' must be an array of 1 to {MAX_TURNS} messages."
        raise BadField("messages", detail, "invalid_value" if "messages" in given else MISSING)
    turns = tuple(turn for place, each in enumerate(found) if (turn := _turn(each, place)))
    if not any(turn.role is Role.USER for turn in turns):
        raise BadField("messages", "'messages' must hold a message of the user's.")
    return turns


def _turn(given: Any, place: int) -> Turn | None:
    name = f"messages[{place}]"
    if not isinstance(given, dict):
        raise BadField(name, f"'{name}' must be an object.")
    role = given.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise BadField(f"{name}.role", f"'{name}.role' must be one of {', '.join(ROLES)}.")
    for call in ("tool_calls", "function_call"):
        if given.get(call):
            raise UnsupportedField(f"{name}.{call}", f"'{name}.{call}' is not supported.")
    content = _content(given.get("content"), f"{name}.content")
    if len(content) > MAX_CONTENT:
        raise TooLarge(f"'{name}.content' has more than {MAX_CONTENT} characters.")
    if not content and ROLES[role] is not Role.USER:
        return None
    if not content:
        is_missing = given.get("content") is None
        detail = f"'{name}.content' must have 1 to {MAX_CONTENT} characters."
        raise BadField(f"{name}.content", detail, MISSING if is_missing else "invalid_value")
    return Turn(ROLES[role], _clean(content, f"{name}.content"))


def _content(found: Any, name: str) -> str:
    """A text, or the texts of an array of parts, one after the other; "" for null."""
    if found is None or isinstance(found, str):
        return found or ""
    if not isinstance(found, list) or not all(isinstance(part, dict) for part in found):
        raise BadField(name, f"'{name}' must be a text or an array of parts.")
    if any(part.get("type") != "text" for part in found):
        raise UnsupportedField(name, f"'{name}' may hold parts of the type text only.")
    texts = [part.get("text") for part in found]
    if not all(isinstance(text, str) for text in texts):
        raise BadField(name, f"'{name}' has a part without a text.")
    return "".join(map(str, texts))


def _conversation(metadata: Mapping[str, Any]) -> str:
    """The name under which the conversation is kept; "" where it is not."""
    if "conversation" not in metadata:
        return ""
    return _text(metadata, "conversation", MAX_CONVERSATION, "metadata.conversation")


def _clean(text: str, name: str) -> str:
    """The text, which must be storable: raises BadField."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise BadField(name, f"'{name}' holds NUL or half of a surrogate pair.")
    return text


def _text(given: Mapping[str, Any], key: str, longest: int, name: str = "") -> str:
    name, value = name or key, given.get(key)
    if not isinstance(value, str) or not 1 <= len(value) <= longest:
        detail = f"'{name}' must be a text of 1 to {longest} characters."
        raise BadField(name, detail, "invalid_value" if key in given else MISSING)
    return _clean(value, name)


def _object(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = given.get(name, {})
    if not isinstance(value, dict):
        raise BadField(name, f"'{name}' must be an object.")
    return value


def _flag(given: Mapping[str, Any], key: str, name: str) -> bool:
    value = given.get(key)
    if value is not None and not isinstance(value, bool):
        raise BadField(name, f"'{name}' must be true or false.")
    return bool(value)


def _whole(given: Mapping[str, Any], name: str, least: int) -> int | None:
    if name not in given:
        return None
    value = given[name]
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise BadField(name, f"'{name}' must be a whole number from {least} on.")
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
        raise BadField(name, f"'{name}' must be a number from 0 to {most:g}.")
    return float(value)


def _stop(given: Mapping[str, Any]) -> tuple[str, ...]:
    found = given.get("stop", [])
    texts = [found] if isinstance(found, str) else found
    if not isinstance(texts, list) or len(texts) > MAX_STOPS:
        raise BadField("stop", f"'stop' must be a text, or an array of up to {MAX_STOPS} texts.")
    return tuple(_text({"stop": each}, "stop", 100) for each in texts)
