"""How a site's assistant behaves and which models it may use, as the admin sets it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Trigger(StrEnum):
    """When the assistant answers a stream's messages by itself."""

    ALWAYS = "always"
    MENTION = "mention"
    NEVER = "never"


class Backend(StrEnum):
    """What runs a model."""

    LOCAL = "local"
    """The active version of the plugin `llm`."""
    OPENAI = "openai"
    """A server that speaks OpenAI's chat completions."""


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """A model by its public name; times in seconds. The key never appears in a `repr`."""

    name: str
    backend: Backend
    base_url: str = ""
    upstream_model: str = ""
    api_key: str = field(default="", repr=False)
    context_tokens: int = 4096
    max_tokens: int = 512
    """At most so many in one answer."""
    connect_timeout_s: float = 5.0
    token_timeout_s: float = 30.0
    """How long the next token may take."""


@dataclass(frozen=True, slots=True)
class Assistant:
    """One site's assistant, or that of one of its streams; the first of `models` is the default."""

    name: str
    system_prompt: str
    trigger: Trigger
    models: tuple[str, ...]
    memory_tokens: int
    """So much of the stream's or of the private conversation goes before a new message."""
    max_tokens: int
    temperature: float
    top_p: float = 1.0
    wait_s: int = 30
    """How long an answer may wait for its turn, while workers are busy with others."""

    @property
    def mention(self) -> str:
        """What calls it in a stream under Trigger.MENTION."""
        return f"@{self.name}"


class AssistantBook(Protocol):
    """Who answers where, and with what; see `generation.assistants_db`."""

    def assistant(self, site: str, stream: str | None) -> Assistant | None:
        """The stream's assistant, else the site's; None where there is none."""
        ...

    def model(self, name: str) -> ModelSettings | None:
        """A model that is switched on."""
        ...
