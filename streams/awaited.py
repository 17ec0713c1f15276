"""Which verdicts a session waits for, and which it has had: each is handed over once."""

MAX_SEEN = 256
MAX_WAIT_MS = 120_000
"""How long a verdict is waited for that does not come by itself."""


class Awaited:
    """Messages of one session by id."""

    __slots__ = ("_seen", "_waiting")

    def __init__(self) -> None:
        self._waiting: dict[str, int] = {}
        self._seen: dict[tuple[str, int], None] = {}

    def wait(self, id: str, now_ms: int) -> None:
        """Waits for the verdict of a message that was just accepted."""
        self._waiting[id] = now_ms

    def take(self, id: str, frame: str) -> bool:
        """Notes a verdict; whether it is new. A person's later decision is another frame."""
        self._waiting.pop(id, None)
        key = (id, hash(frame))
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > MAX_SEEN:
            del self._seen[next(iter(self._seen))]
        return True

    def forget(self, now_ms: int) -> None:
        """Waits no longer for verdicts that are long overdue."""
        while self._waiting and next(iter(self._waiting.values())) < now_ms - MAX_WAIT_MS:
            del self._waiting[next(iter(self._waiting))]

    @property
    def since(self) -> int | None:
        """When the oldest message without a verdict was accepted."""
        return next(iter(self._waiting.values()), None)
