"""Port: who waits for an answer that is cancelled when nobody does (`on_disconnect: cancel`).

The session that asked counts, no other of its user. Where it was lost without a farewell, one that
resumed the answer takes its place, and in a stream one that came after the question and reads the
stream.
"""

from collections.abc import Sequence
from typing import Protocol


class Attendance(Protocol):
    """Of all processes' sessions; every method raises Overloaded while these are away."""

    async def left(self) -> Sequence[str]:
        """The generations to cancel, until they are: whoever was lost has not come back in time.

        Each call looks who is here; every gateway calls this each second.
        """
        ...

    async def take_up(self, id: str, session: str) -> None:
        """A session of the owner resumes a generation."""
        ...

    async def depart(self, session: str, ids: Sequence[str], back_ms: int | None) -> Sequence[str]:
        """A session ends that had asked for these generations, or resumed them.

        Returns those to cancel at once, where it goes for good (`back_ms` None). Otherwise it is
        expected back in so many milliseconds, and has a little longer than that.
        """
        ...
