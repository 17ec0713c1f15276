"""Whether a message can be judged now: a probe that travels the whole way, at most every 10 s."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

FRESH_S = 10.0
"""How long a good answer counts."""
RETRY_S = 1.0
"""How long a bad one does."""
TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The reason is empty when it is ready."""

    ready: bool
    reason: str = ""


class Readiness:
    """Sends probes with `send` and learns from `done` how they went.

    `hears` says whether everything that this process subscribed to reaches it.
    """

    def __init__(
        self,
        send: Callable[[str], Awaitable[None]],
        clock: Callable[[], float],
        timeout_s: float = TIMEOUT_S,
        hears: Callable[[], bool] = lambda: True,
    ) -> None:
        self._send = send
        self._clock = clock
        self._timeout_s = timeout_s
        self._hears = hears
        self._answers: dict[str, asyncio.Future[Answer]] = {}
        self._running: asyncio.Task[Answer] | None = None
        self._last: tuple[float, Answer] | None = None
        self.draining = False

    async def answer(self) -> Answer:
        """The last answer while it counts, else that of a new probe; callers share one."""
        if self.draining:
            return Answer(False, "Shutting down.")
        if not self._hears():
            return Answer(False, "Live delivery is away; all streams are being joined again.")
        if self._last is not None:
            at, answer = self._last
            if self._clock() - at < (FRESH_S if answer.ready else RETRY_S):
                return answer
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._probe())
        return await asyncio.shield(self._running)

    def done(self, probe: str, ok: bool, detail: str) -> None:
        """A probe came back through the subscriber connection."""
        waiting = self._answers.get(probe)
        if waiting is not None and not waiting.done():
            waiting.set_result(Answer(ok, "" if ok else f"The models cannot judge: {detail}"))

    async def _probe(self) -> Answer:
        probe = secrets.token_hex(8)
        waiting = self._answers[probe] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._send(probe)
                answer: Answer = await waiting
        except TimeoutError:
            answer = Answer(False, f"No worker answered within {self._timeout_s:g} s.")
        except OSError as error:
            answer = Answer(False, f"Redis or the broker is away: {error}")
        finally:
            del self._answers[probe]
        self._last = (self._clock(), answer)
        return answer
