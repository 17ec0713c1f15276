"""The wire, inwards: what a client may ask of the assistant. See `frames` for all others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from generation.asking import Asked
from generation.generations import OnDisconnect
from inference.errors import BadFrame
from inference.generator import Role, Turn
from streams import fields

MAX_TURNS = 64
MAX_CONTENT = 10_000
"""Code points of one turn; all of a frame has 64 KiB at most."""
MAX_MODEL = 100
MAX_STOPS = 4
MAX_STOP = 100
MAX_TEMPERATURE = 2.0
VISITORS = {role.value: role for role in (Role.USER, Role.ASSISTANT)}
"""The roles that a client may speak in: the system's prompt is the site's alone."""


@dataclass(frozen=True, slots=True)
class Generate:
    """Ask the assistant; the same `ref` again is the same generation."""

    asked: Asked

    @property
    def ref(self) -> str:
        """The client's own id."""
        return self.asked.ref


@dataclass(frozen=True, slots=True)
class Cancel:
    """End a generation that is named by its `ref` or its `id`; the other one is empty."""

    ref: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Resume:
    """Follow a generation from the character `start` on."""

    id: str
    start: int


def generate(found: Mapping[str, Any]) -> Generate:
    """A `generate` frame; what is null counts as absent."""
    given = {field: value for field, value in found.items() if value is not None}
    asked = Asked(
        ref=fields.text(given, "ref", fields.MAX_REF),
        turns=_turns(given),
        stream=fields.stream(given) if "stream" in given else None,
        model=fields.text(given, "model", MAX_MODEL) if "model" in given else None,
        max_tokens=_whole(given, "max_tokens", least=1),
        temperature=_temperature(given),
        top_p=fields.number(given, "top_p", 1.0) if "top_p" in given else None,
        seed=_whole(given, "seed", least=0),
        stop=_stop(given),
        on_disconnect=_on_disconnect(given),
    )
    return Generate(asked)


def cancel(found: Mapping[str, Any]) -> Cancel:
    """A `cancel` frame; what is null counts as absent."""
    if found.get("id") is not None:
        return Cancel(id=fields.text(found, "id", fields.MAX_REF))
    return Cancel(ref=fields.text(found, "ref", fields.MAX_REF))


def resume(found: Mapping[str, Any]) -> Resume:
    """A `resume` frame."""
    start = fields.whole(found, "from", fields.MAX_OFFSET)
    return Resume(fields.text(found, "id", fields.MAX_REF), start)


def _turns(found: Mapping[str, Any]) -> tuple[Turn, ...]:
    given = found.get("messages")
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_TURNS:
        raise BadFrame(f"'messages' must be an array of 1 to {MAX_TURNS} messages.")
    turns = tuple(_turn(each) for each in given)
    if turns[-1].role is not Role.USER:
        raise BadFrame("The last of 'messages' must be the user's.")
    return turns


def _turn(given: Any) -> Turn:
    if not isinstance(given, dict):
        raise BadFrame("Each of 'messages' must be an object with 'role' and 'content'.")
    role = given.get("role")
    if not isinstance(role, str) or role not in VISITORS:
        raise BadFrame("'role' must be 'user' or 'assistant'.")
    return Turn(VISITORS[role], fields.text(given, "content", MAX_CONTENT))


def _whole(found: Mapping[str, Any], field: str, least: int) -> int | None:
    return fields.whole(found, field, fields.MAX_OFFSET, least) if field in found else None


def _temperature(found: Mapping[str, Any]) -> float | None:
    given = "temperature" in found
    return fields.number(found, "temperature", MAX_TEMPERATURE) if given else None


def _stop(found: Mapping[str, Any]) -> tuple[str, ...]:
    given = found.get("stop", [])
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or len(texts) > MAX_STOPS:
        raise BadFrame(f"'stop' must be a text, or an array of up to {MAX_STOPS} texts.")
    return tuple(fields.text({"stop": each}, "stop", MAX_STOP) for each in texts)


def _on_disconnect(found: Mapping[str, Any]) -> OnDisconnect:
    given = found.get("on_disconnect", OnDisconnect.CONTINUE.value)
    if not isinstance(given, str) or given not in list(OnDisconnect):
        raise BadFrame("'on_disconnect' must be 'continue' or 'cancel'.")
    return OnDisconnect(given)
