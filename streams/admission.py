"""Port: the one way in for text, whatever carried it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from policy.messages import Message
from streams.clients import Client


@dataclass(frozen=True, slots=True)
class Admitted:
    """A stored message. `fresh` is false when the same `ref` came before;
    `verdict` is then that message's decision (see `policy.verdicts`), if there is one."""

    id: str
    fresh: bool
    verdict: Mapping[str, Any] | None = None


class Admission(Protocol):
    """Limits and storage in one atomic step."""

    async def admit(self, message: Message, client: Client) -> Admitted:
        """Stores the message; raises RateLimited or Overloaded, and then nothing is stored."""
        ...
