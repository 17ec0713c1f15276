"""The values on an answer's way: asked for as a Generation, read at any time as a Snapshot."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from generation.memory import Conversation
from inference.generator import Role, Sampling, Turn
from policy.messages import Author


class Status(StrEnum):
    """Where a generation stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"


class FinishReason(StrEnum):
    """Why a generation ended."""

    STOP = "stop"
    LENGTH = "length"
    CANCELLED = "cancelled"
    BLOCKED = "blocked"
    """Erase what was shown of it."""
    INTERRUPTED = "interrupted"
    """Its worker or model failed; the same may be asked again."""


class OnDisconnect(StrEnum):
    """What happens when the session that asked ends: at once where its client said farewell, and
    where it was lost, unless its user comes back and resumes the answer."""

    CONTINUE = "continue"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Generation:
    """An answer that was asked for. Times are milliseconds since the Unix epoch.

    `turns` is what the model gets, system prompt and memory included; of these the last `judged`
    came from the client and are judged before the model sees them. `stream` None is private:
    only its owner sees it. `conversation` is where the exchange is kept, None where it is not: one
    turn is put behind what was said there, several are all that was said.
    """

    id: str
    site: str
    stream: str | None
    owner: Author
    session: str
    ref: str
    model: str
    assistant: Author
    turns: tuple[Turn, ...]
    judged: int
    sampling: Sampling
    on_disconnect: OnDisconnect
    conversation: Conversation | None
    accepted_ms: int
    deadline_ms: int
    """If no worker took it by then, it is interrupted."""

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Generation":
        """The inverse of `as_json`."""
        sampling = {**found["sampling"], "stop": tuple(found["sampling"]["stop"])}
        kept = found["conversation"]
        return cls(
            **{
                **found,
                "conversation": None if kept is None else Conversation(**kept),
                "owner": Author(**found["owner"]),
                "assistant": Author(**found["assistant"]),
                "turns": tuple(
                    Turn(Role(each["role"]), each["content"]) for each in found["turns"]
                ),
                "sampling": Sampling(**sampling),
                "on_disconnect": OnDisconnect(found["on_disconnect"]),
            }
        )


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a finished generation."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A generation as it stands; `finish` is None until it is done."""

    generation: Generation
    status: Status
    text: str
    finish: FinishReason | None
    usage: Usage
    code: str = ""
    """The code of the error that ended it (see `inference.errors`); empty if none did."""
    detail: str = ""
    """Why it was interrupted or blocked, for operators and programs; holds no secret."""
    retry_after_ms: int | None = None
    """When the same may be asked again, where that is known."""
