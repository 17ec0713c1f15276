"""Text that grows token by token: whole characters only, and nothing of a stop sequence."""

import codecs
from collections.abc import Sequence


class GrowingText:
    """Turns tokens into text that may be shown.

    `table` holds the bytes of each token. Bytes of a character wait for its last one; text that
    may be the beginning of one of `stops` waits until it is clear what it is.
    """

    def __init__(self, table: Sequence[bytes], stops: Sequence[str]) -> None:
        self._table = table
        self._stops = tuple(stop for stop in stops if stop)
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._held = ""
        self.stopped = False
        """Whether a stop sequence came; then nothing more is to be shown."""

    def push(self, token: int) -> str:
        """The text that may be shown after one more token; often empty."""
        self._held += self._decode(self._table[token])
        ends = [found for stop in self._stops if (found := self._held.find(stop)) >= 0]
        if ends:
            self.stopped = True
            return self._held[: min(ends)]
        return self._release(len(self._held) - self._overlap())

    def rest(self) -> str:
        """What was held back, when no more tokens come; half a character is dropped."""
        return "" if self.stopped else self._release(len(self._held))

    def _release(self, length: int) -> str:
        shown, self._held = self._held[:length], self._held[length:]
        return shown

    def _overlap(self) -> int:
        """How many characters at the end may begin a stop sequence."""
        return max((_overlap(self._held, stop) for stop in self._stops), default=0)


def _overlap(text: str, stop: str) -> int:
    """The longest beginning of `stop`, not all of it, with which `text` ends."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
