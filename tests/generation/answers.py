"""Assistants, requests and generations with defaults: name only what a test is about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from generation.asking import Asked
from generation.assistants import Assistant, Backend, ModelSettings, Trigger
from generation.generations import Generation, OnDisconnect
from generation.memory import Conversation
from generation.store import Requester
from inference.generator import Role, Sampling, Turn
from policy.messages import Author, new_id

NOW_MS = 1_800_000_000_000


def an_assistant(**changes: Any) -> Assistant:
    """An assistant with one model and a small memory."""
    values: dict[str, Any] = {
        "name": "Assistant",
        "system_prompt": "Be kind.",
        "trigger": Trigger.MENTION,
        "models": ("chat-mini",),
        "memory_tokens": 100,
        "max_tokens": 64,
        "temperature": 0.7,
    }
    return Assistant(**{**values, **changes})


def a_model(name: str = "chat-mini", **changes: Any) -> ModelSettings:
    """A local model with room for 512 tokens."""
    values: dict[str, Any] = {"context_tokens": 512, "max_tokens": 128}
    return ModelSettings(name, Backend.LOCAL, **{**values, **changes})


def asked(*contents: str, **changes: Any) -> Asked:
    """A request whose turns alternate and end with the user's."""
    turns = [
        Turn(Role.USER if (len(contents) - place) % 2 else Role.ASSISTANT, content)
        for place, content in enumerate(contents)
    ]
    values: dict[str, Any] = {"ref": "r1", "turns": tuple(turns)}
    return Asked(**{**values, **changes})


def a_visitor(**changes: Any) -> Requester:
    """A visitor of the demo site."""
    values = {"site": "demo", "user": "user-1", "session": "session-1"}
    return Requester(**{**values, **changes})


@dataclass
class Book:
    """An assistant book of one site."""

    site_wide: Assistant | None = field(default_factory=an_assistant)
    by_stream: Mapping[str, Assistant] = field(default_factory=dict)
    models: Sequence[ModelSettings] = field(default_factory=lambda: [a_model()])

    def assistant(self, site: str, stream: str | None) -> Assistant | None:
        return self.by_stream.get(stream or "", self.site_wide)

    def model(self, name: str) -> ModelSettings | None:
        return next((model for model in self.models if model.name == name), None)


@dataclass
class Remembered:
    """A memory that holds the given turns."""

    stream: Sequence[Turn] = ()
    user: Sequence[Turn] = ()
    asked: list[Conversation] = field(default_factory=list)

    def of_stream(self, site: str, stream: str, user: str, asked: str) -> Sequence[Turn]:
        return self.stream

    def of(self, conversation: Conversation) -> Sequence[Turn]:
        self.asked.append(conversation)
        return self.user


def a_generation(**changes: Any) -> Generation:
    """A private generation of the demo site's first user, with a deadline far away."""
    values: dict[str, Any] = {
        "id": new_id(NOW_MS),
        "site": "demo",
        "stream": None,
        "owner": Author("user-1", "Ada"),
        "session": "session-1",
        "ref": "",
        "model": "chat-mini",
        "assistant": Author("assistant", "Assistant", "assistant"),
        "turns": (Turn(Role.SYSTEM, "Be kind."), Turn(Role.USER, "Who are you?")),
        "judged": 1,
        "sampling": Sampling(max_tokens=64),
        "on_disconnect": OnDisconnect.CONTINUE,
        "conversation": None,
        "accepted_ms": NOW_MS,
        "deadline_ms": 4_000_000_000_000,
    }
    return Generation(**{**values, **changes})
