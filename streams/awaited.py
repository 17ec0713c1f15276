"""Which verdicts a session waits for, and which it has had: each is handed over once.

What was written has not been read yet: the connection may break in between.
"""

from dataclasses import dataclass

MAX_SEEN = 256
MAX_WAIT_MS = 120_000
"""How long a verdict is waited for that does not come by itself."""
PROOF_S = 1.0
"""A client that is heard so long after a verdict was written has read it."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A verdict on its way to its author."""

    id: str
    frame: str
    moderator_frame: str


@dataclass(slots=True)
class Taken:
    """A verdict that was handed over; `kept` while it may still lie in the mailbox."""

    mail: Mail
    written: float | None = None
    kept: bool = True

    def is_proved(self, now: float) -> bool:
        """Whether it was written long enough before this moment."""
        return self.written is not None and now >= self.written + PROOF_S


class Awaited:
    """Messages of one session by id; times are seconds of a monotonic clock where not in ms."""

    __slots__ = ("_seen", "_taken", "_waiting")

    def __init__(self) -> None:
        self._waiting: dict[str, int] = {}
        self._seen: dict[tuple[str, int], None] = {}
        self._taken: dict[str, Taken] = {}

    def wait(self, id: str, now_ms: int) -> None:
        """Waits for the verdict of a message that was just accepted."""
        self._waiting[id] = now_ms

    def see(self, id: str, frame: str) -> bool:
        """Notes a verdict; whether it is new. A person's later decision is another frame."""
        self._waiting.pop(id, None)
        key = (id, hash(frame))
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > MAX_SEEN:
            del self._seen[next(iter(self._seen))]
        return True

    def take(self, mail: Mail, frame: str, now: float) -> Taken | None:
        """Takes a verdict out of the mailbox, which is to be written as this frame, or None where
        it was before."""
        if not self.see(mail.id, frame):
            self._taken.setdefault(mail.id, Taken(mail, now)).kept = True
            return None
        self._taken.pop(mail.id, None)
        found = self._taken[mail.id] = Taken(mail)
        return found

    def delivered(self, now: float, heard: float) -> list[str]:
        """Verdicts that may leave the mailbox, because they went out a while ago; each once.

        `heard` is when the client gave the last sign of life.
        """
        found = []
        for id, taken in list(self._taken.items()):
            if not taken.is_proved(now):
                break
            if taken.kept:
                found.append(id)
                taken.kept = False
            if taken.is_proved(heard):
                del self._taken[id]
        return found

    def unread(self, heard: float) -> list[Mail]:
        """Verdicts that went out, and that nothing proves a client to have read."""
        went = [each for each in self._taken.values() if each.written is not None]
        return [each.mail for each in went if not each.is_proved(heard)]

    @property
    def holds(self) -> bool:
        """Whether there are verdicts that were taken and are not known to be read."""
        return bool(self._taken)

    def forget(self, now_ms: int) -> None:
        """Waits no longer for verdicts that are long overdue."""
        while self._waiting and next(iter(self._waiting.values())) < now_ms - MAX_WAIT_MS:
            del self._waiting[next(iter(self._waiting))]

    @property
    def since(self) -> int | None:
        """When the oldest message without a verdict was accepted."""
        return next(iter(self._waiting.values()), None)
