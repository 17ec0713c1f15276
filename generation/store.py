"""Ports: where generations are kept while they are written and read.

Redis holds the truth: the text so far, who owns it, and a lease that its worker renews.
What happens to a generation is announced on its group of the channel layer, and to the gateway
where a private one was asked, in this order and with these fields, `length` and `from` in
characters:

- `generation.start`: `id`, `site`, `stream` ("" if private), `owner`, `ref`, `model`
- `generation.token`: `id`, `site`, `stream`, `from`, `text`
- `generation.done`: `id`, `site`, `stream`, `finish_reason`, `length`, `prompt_tokens`,
  `completion_tokens`, `code`, `detail`, and `retry_after_ms` where it is known

An announcement may be lost; who follows a generation reads its snapshot where something lacks.
A token may come whose `from` is before the end of what was told: Redis had lost that part, and the
worker gave it again, the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from generation.generations import FinishReason, Generation, Snapshot, Usage


@dataclass(frozen=True, slots=True)
class Admitted:
    """The id under which a generation runs; `fresh` is False for a `ref` that came before.

    `heard` says that a worker looks at it by itself, so that none has to be called.
    """

    id: str
    fresh: bool
    heard: bool = False


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks, as rate limits count them; empty where there is none."""

    site: str
    user: str
    session: str = ""
    address: str = ""
    api_key: str = ""


class Generations(Protocol):
    """What a gateway does; every method raises Overloaded while Redis is away."""

    @property
    def home(self) -> str:
        """The group of this process, in which private generations that are admitted here are
        announced beside their own; "" where there is none."""
        ...

    async def admit(self, generation: Generation, requester: Requester) -> Admitted:
        """Stores a generation and counts it; the caller then dispatches it if it is fresh and was
        not heard.

        Raises RateLimited, or Overloaded where too many wait already.
        """
        ...

    async def read(self, id: str) -> Snapshot | None:
        """The generation as it stands; None if it is unknown or expired."""
        ...

    async def running(self, site: str, stream: str) -> Sequence[Snapshot]:
        """What is under way in a stream, started and not done."""
        ...

    async def named(self, site: str, user: str, ref: str) -> str | None:
        """The id of what a user asked for under this `ref`; None 5 minutes after it was asked."""
        ...

    async def cancel(self, id: str) -> bool:
        """Asks for a generation's end; False if it was done or unknown.

        One that no worker took yet ends at once. Whether one may cancel is the caller's to ask.
        """
        ...

    async def sweep(self) -> Sequence[str]:
        """Interrupts what lost its worker or waited too long, each once, whoever sweeps: past its
        deadline, or for nobody, where no worker takes anything.

        Returns those that wait although they were dispatched a while ago, while no worker looks
        by itself: the caller dispatches them again. Every gateway calls this each second.
        """
        ...


class Work(Protocol):
    """What a worker does; every method raises Overloaded while Redis is away.

    Only the worker that claimed a generation may change it, and only while its lease lasts.
    """

    def claim(self, id: str) -> Generation | None:
        """Takes a waiting generation under a lease; None if it is taken, done or gone."""
        ...

    def take(self, taker: str, most: int) -> Sequence[Generation]:
        """Takes up to `most` that wait, by deadline, and says that this taker looks.

        One that found nothing, though it might have taken some, is rung for when some come. One
        that takes none for now (`most` is 0) comes back within two seconds.
        """
        ...

    def wait(self) -> None:
        """Returns when the bell rings for a taker, or after a second."""
        ...

    def leave(self, taker: str) -> None:
        """Says that this taker looks no more."""
        ...

    def start(self, generation: Generation) -> bool:
        """Announces that the answer begins; False if it must stop."""
        ...

    def append(self, generation: Generation, start: int, text: str) -> int | None:
        """Puts text after the first `start` characters; repeating a call changes nothing.

        Returns how many characters there are now, and None if it must stop: it was cancelled, or
        taken for dead. Fewer than `start` mean that Redis lost some: give them again.
        """
        ...

    def renew(self, ids: Sequence[str]) -> Mapping[str, bool]:
        """Renews leases, and tells which must stop: True for one that was cancelled and is ours to
        end, False for one that is not ours any more."""
        ...

    def stopped(self, ids: Sequence[str]) -> Mapping[str, bool]:
        """Which must stop, as `renew` tells it; leases stay as they are."""
        ...

    def finish(  # noqa: PLR0913 (an end has as many parts)
        self,
        generation: Generation,
        reason: FinishReason,
        usage: Usage,
        *,
        code: str = "",
        detail: str = "",
        retry_after_ms: int | None = None,
    ) -> bool:
        """Ends it, counts its tokens and announces that, once; False if it is not ours any more.

        A blocked one loses its text. `code` and `retry_after_ms` are an RtaiError's, where one
        ended it.
        """
        ...
