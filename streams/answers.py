"""One answer as this process knows it: its text so far, and how far each local session has it.

A `token` frame is made when it is sent. A slow client therefore gets fewer and longer pieces,
each of which goes on where the one before it ended.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from generation.generations import FinishReason, Generation, Snapshot, Status, Usage
from inference.errors import ModelUnavailable, RtaiError
from streams import replies
from streams.clients import Client
from streams.outbox import Outbox


class Asker(Protocol):
    """A session, as far as answers know it."""

    client: Client
    outbox: Outbox

    @property
    def id(self) -> str: ...


class Cursor:
    """A session's place in an answer: its next `token` begins at the character `at`."""

    __slots__ = ("_answer", "_waits", "asked", "at", "is_live", "outbox", "ref", "told")

    def __init__(
        self, answer: "Answer", session: Asker, at: int, *, told: bool, asked: bool
    ) -> None:
        self._answer = answer
        self._waits = False
        self.outbox = session.outbox
        self.at = at
        self.told = told
        """Whether it has had `start`, or needs none."""
        self.asked = asked
        """Whether it follows the answer itself, and not because it is in the stream."""
        self.ref = answer.ref if answer.is_of(session.client) else ""
        self.is_live = True

    def start(self) -> None:
        """Says `start`, once."""
        if not self.told:
            self.told = True
            self.outbox.put(self._answer.start_frame(self.ref))
            self._answer.sent("start", 1)

    def advance(self) -> None:
        """Sends what is new as soon as the client can take it."""
        if not self._waits and self.at < len(self._answer.text):
            self._waits = True
            self.outbox.put_late(self._make)

    def _make(self) -> str:
        self._waits = False
        start, end = self.at, len(self._answer.text)
        if not self.is_live or start >= end:
            return ""
        self.at = end
        self._answer.sent("token", 1)
        return self._answer.piece(start)


class Answer:
    """One generation that somebody here follows, or that a stream here shows."""

    def __init__(
        self,
        about: Mapping[str, Any],
        heard: float,
        sent: Callable[[str, int], None] = lambda kind, count: None,
    ) -> None:
        """`about` has `id`, `site`, `stream`, `owner` and `ref`, as announcements have them."""
        self.sent = sent
        self.id = str(about["id"])
        self.site = str(about["site"])
        self.stream = str(about["stream"])
        self.owner = str(about["owner"])
        self.ref = str(about["ref"])
        self.model = ""
        self.text = ""
        self.has_started = False
        self.is_over = False
        self.is_heard = False
        """Whether its group, or its stream's, is kept for it whoever is subscribed."""
        self.is_home = False
        """Whether it is announced to this process in any case."""
        self.heard = heard
        """When something was last heard of it, in seconds."""
        self.cursors: dict[str, Cursor] = {}
        self._piece = (0, 0, "")

    def is_of(self, client: Client) -> bool:
        """Whether the client's user asked for it."""
        return (client.site, client.user) == (self.site, self.owner)

    def attach(self, session: Asker, at: int, *, told: bool, asked: bool = False) -> Cursor:
        """Sends a session what follows the character `at`; an earlier place of its is given up."""
        self.detach(session.id)
        cursor = self.cursors[session.id] = Cursor(self, session, at, told=told, asked=asked)
        return cursor

    def detach(self, session: str) -> Cursor | None:
        """Sends a session nothing more."""
        if (cursor := self.cursors.pop(session, None)) is not None:
            cursor.is_live = False
        return cursor

    def start(self, model: str) -> None:
        """The model begins."""
        self.model, self.has_started = model, True
        for cursor in self.cursors.values():
            cursor.start()

    def grow(self, start: int, text: str) -> bool:
        """Takes a piece; False if some text before it lacks. What is known changes nothing."""
        if start > len(self.text):
            return False
        if new := text[len(self.text) - start :]:
            self.text += new
            for cursor in self.cursors.values():
                cursor.advance()
        return True

    def end(self, reason: FinishReason, usage: Usage, why: RtaiError | None = None) -> None:
        """Says `done` behind the rest of the text; a blocked one has no rest.

        One that failed before it began, for a known reason `why`, is answered with that error.
        """
        self.is_over = True
        if reason is FinishReason.BLOCKED:
            self.text = ""
        for cursor in self.cursors.values():
            cursor.advance()
            if why and reason is FinishReason.INTERRUPTED and not cursor.told:
                cursor.outbox.put(replies.error(why, cursor.ref, self.id))
                self.sent("error", 1)
            else:
                cursor.outbox.put(replies.done(cursor.ref, self.id, reason, usage))
                self.sent("done", 1)

    def take(self, snapshot: Snapshot) -> None:
        """Catches up with a generation as it was read."""
        blocked = snapshot.finish is FinishReason.BLOCKED
        runs = snapshot.status is Status.RUNNING or snapshot.text
        if runs and not self.has_started and not blocked:
            self.start(snapshot.generation.model)
        if not blocked:
            self.grow(0, snapshot.text)
        if snapshot.finish is not None:
            why = failure(snapshot.code, snapshot.detail, snapshot.retry_after_ms)
            self.end(snapshot.finish, snapshot.usage, why)

    def start_frame(self, ref: str) -> str:
        """Its `start`, as the owner or anybody else gets it."""
        return replies.start(ref, self.id, self.stream, self.model, self.owner)

    def piece(self, start: int) -> str:
        """A `token` frame from the character `start` on; sessions at the same place share it."""
        if self._piece[:2] != (start, len(self.text)):
            frame = replies.token(self.id, start, self.text[start:])
            self._piece = (start, len(self.text), frame)
        return self._piece[2]


def error(code: str, detail: str, retry_after_ms: int | None = None) -> RtaiError:
    """The error that a worker met, by its code."""
    kinds = (each for each in RtaiError.__subclasses__() if each.code == code)
    return next(kinds, ModelUnavailable)(detail, retry_after_ms=retry_after_ms)


def failure(code: str, detail: str, retry_after_ms: int | None = None) -> RtaiError | None:
    """The error that ended a generation, None if none did."""
    return error(code, detail, retry_after_ms) if code else None


def about(generation: Generation) -> dict[str, str]:
    """What an announcement of a generation says of it."""
    return {
        "id": generation.id,
        "site": generation.site,
        "stream": generation.stream or "",
        "owner": generation.owner.id,
        "ref": generation.ref,
    }
