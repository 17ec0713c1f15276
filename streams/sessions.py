"""One client's attachment: takes what its frames ask for, and answers them.

Everything outside is a port, given once for the whole gateway.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from inference.errors import Forbidden, NotFound, Overloaded, RtaiError, Unsupported
from policy.messages import Author, Message, new_id
from streams import frames, keys, replies
from streams.admission import Admission
from streams.audience import Audience
from streams.clients import Client
from streams.closes import Close, CloseCode, close
from streams.directory import Directory, StreamInfo
from streams.frames import Frame, Refused
from streams.hub import Bus, Hub
from streams.outbox import Outbox
from streams.presence import Presences
from streams.removal import Removal
from streams.session_store import SessionStore
from streams.tokens import Claims
from streams.verdict_frames import dumps, verdict_frame

MAX_STREAMS = 128
HEARTBEAT_S = 25.0
PONG_S = 8.0
STALL_S = 5.0
"""A client that takes nothing for so long, while bytes wait, is cut off."""
TYPING_S = 1.0
"""How often a session's typing in a stream is passed on."""
MAX_FRAMES_A_SECOND = 1_000
MAX_BYTES_A_SECOND = 1024 * 1024
BURST_S = 4
"""A client may send what is allowed in so many seconds at once."""
MAX_SEEN = 256
"""Verdicts of which a session remembers that it has delivered them."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ports:
    """What all sessions of a gateway share. `clock` is monotonic in seconds."""

    hub: Hub
    bus: Bus
    audience: Audience
    admission: Admission
    directory: Directory
    store: SessionStore
    removal: Removal
    presences: Presences
    dispatch: Callable[[Message], None]
    verify: Callable[[str], Claims]
    now_ms: Callable[[], int]
    clock: Callable[[], float]


class Session:
    """A connected client. `cut` ends its connection; the edge does that and then calls `close`."""

    def __init__(
        self, client: Client, outbox: Outbox, ports: Ports, cut: Callable[[Close], None]
    ) -> None:
        self.client = client
        self.outbox = outbox
        self.streams: dict[str, StreamInfo] = {}
        self.ended: Close | None = None
        self._ports = ports
        self._cut = cut
        self._waiting: dict[str, int] = {}
        self._seen: dict[tuple[str, int], None] = {}
        self._typed: dict[str, float] = {}
        now = ports.clock()
        self._heard = now
        self._pinged: float | None = None
        self._next_ping = now + HEARTBEAT_S
        self._budget_at = now
        self._frames = float(MAX_FRAMES_A_SECOND * BURST_S)
        self._bytes = float(MAX_BYTES_A_SECOND * BURST_S)

    @property
    def id(self) -> str:
        """The session's id."""
        return self.client.session

    @property
    def site(self) -> str:
        """Its site."""
        return self.client.site

    @property
    def user(self) -> str:
        """The token's `sub`."""
        return self.client.user

    @property
    def address(self) -> str:
        """Keyed hash of its address."""
        return self.client.address

    @property
    def is_moderator(self) -> bool:
        """Whether it sees scores."""
        return self.client.is_moderator

    async def open(self) -> None:
        """Greets the client; raises Overloaded if its site's news cannot be heard."""
        await self._ports.audience.enter(self)
        now_ms = self._ports.now_ms()
        self.outbox.put(replies.welcome(self.id, HEARTBEAT_S, frames.MAX_FRAME_BYTES, now_ms))

    async def close(self) -> None:
        """Takes the session off every list, whatever is away meanwhile."""
        self._ports.audience.leave(self)
        self.outbox.discard()
        for name in list(self.streams):
            await self._leave(name)
        try:
            await self._ports.store.close(self.client)
        except Overloaded as error:
            logger.info("A session is left to its lease: %s", error)

    def end(self, why: Close) -> None:
        """Ends the connection, once."""
        if self.ended is None:
            self.ended = why
            self._cut(why)

    async def receive(self, text: str) -> list[tuple[Frame | Refused, RtaiError | None]]:
        """Serves one WebSocket text frame; what was asked, and what could not be served."""
        self._heard = self._ports.clock()
        found = frames.parse(text)
        if not self._affords(len(found), len(text)):
            self.end(close(CloseCode.FLOODING, "Too many frames.", retry_after_ms=5_000))
            return []
        served = []
        for frame in found:
            if self.ended is not None:
                break
            served.append((frame, await self._serve(frame)))
        return served

    def hear_nonsense(self, error: RtaiError, size: int) -> None:
        """Answers what is no text frame at all."""
        self._heard = self._ports.clock()
        self.outbox.put(replies.error(error))
        if not self._affords(1, size):
            self.end(close(CloseCode.FLOODING, "Too many frames.", retry_after_ms=5_000))

    def tick(self) -> None:
        """Looks after the heartbeat, the token's end and a stalled client."""
        now = self._ports.clock()
        if self._ports.now_ms() >= self.client.expires_ms:
            self.end(close(CloseCode.TOKEN_EXPIRED, "The token has expired.", retry_after_ms=0))
        elif self.outbox.writing_since is not None and now - self.outbox.writing_since >= STALL_S:
            self.end(close(CloseCode.SLOW_READER, "Nothing was read.", retry_after_ms=1_000))
        elif self._pinged is not None and now - self._pinged >= PONG_S:
            if self._heard < self._pinged:
                self.end(close(CloseCode.NO_PONG, "No pong came.", retry_after_ms=500))
            self._pinged = None
        elif now >= self._next_ping:
            self._pinged, self._next_ping = now, now + HEARTBEAT_S
            self.outbox.put(replies.PING)

    def take_verdict(self, id: str, frame: str, sent: Callable[[], None]) -> None:
        """Hands over a verdict, but not the same one twice."""
        key = (id, hash(frame))
        self._waiting.pop(id, None)
        if key in self._seen:
            sent()
            return
        self._remember(key)
        self.outbox.put(frame, sent=sent)

    def waits_since(self) -> int | None:
        """When the oldest message without a verdict was accepted."""
        return next(iter(self._waiting.values()), None)

    def _remember(self, key: tuple[str, int]) -> None:
        self._seen[key] = None
        if len(self._seen) > MAX_SEEN:
            del self._seen[next(iter(self._seen))]

    def _affords(self, count: int, size: int) -> bool:
        """Takes from the budgets of frames and bytes; they fill again with time."""
        now = self._ports.clock()
        passed, self._budget_at = now - self._budget_at, now
        frames_left = self._frames + passed * MAX_FRAMES_A_SECOND
        bytes_left = self._bytes + passed * MAX_BYTES_A_SECOND
        self._frames = min(frames_left, MAX_FRAMES_A_SECOND * BURST_S) - count
        self._bytes = min(bytes_left, MAX_BYTES_A_SECOND * BURST_S) - size
        return self._frames >= 0 and self._bytes >= 0

    async def _serve(self, frame: Frame | Refused) -> RtaiError | None:
        if isinstance(frame, Refused):
            self.outbox.put(replies.error(frame.error, frame.ref))
            return frame.error
        try:
            await self._do(frame)
        except RtaiError as error:
            self.outbox.put(replies.error(error, getattr(frame, "ref", None)))
            return error
        return None

    async def _do(self, frame: Frame) -> None:
        match frame:
            case frames.Send():
                await self._send(frame)
            case frames.Subscribe():
                await self._subscribe(frame)
            case frames.Unsubscribe(stream):
                await self._unsubscribe(stream)
            case frames.Typing(stream):
                await self._type(stream)
            case frames.Remove(stream, id):
                await self._remove(stream, id)
            case frames.AskPresence(stream):
                await self._ask_presence(stream)
            case frames.Refresh(token):
                await self._refresh(token)
            case frames.Generate():
                raise Unsupported("This installation has no assistant.")
            case frames.Cancel() | frames.Resume():
                raise NotFound("There is no such generation.")
            case frames.Pong():
                pass

    def _granted(self, stream: str) -> StreamInfo:
        """The stream, if the token grants it and it exists."""
        if not self.client.may_use(stream):
            raise Forbidden("The token does not grant this stream.")
        if (found := self._ports.directory.stream(self.site, stream)) is None:
            raise NotFound("There is no such stream.")
        return found

    async def _send(self, frame: frames.Send) -> None:
        stream = self._granted(frame.stream)
        now_ms = self._ports.now_ms()
        message = Message(
            id=new_id(now_ms),
            site=self.site,
            stream=frame.stream,
            author=Author(self.user, self.client.name),
            session=self.id,
            ref=frame.ref,
            text=frame.text,
            accepted_ms=now_ms,
            deadline_ms=now_ms + stream.deadline_ms,
        )
        admitted = await self._ports.admission.admit(message, self.client)
        self.outbox.put(replies.accepted(frame.ref, admitted.id, frame.stream))
        if admitted.verdict is not None:
            self._repeat_verdict(frame.ref, admitted.id, admitted.verdict)
            return
        self._waiting[admitted.id] = now_ms
        if admitted.fresh:
            self._ports.dispatch(message)

    def _repeat_verdict(self, ref: str, id: str, stored: Mapping[str, object]) -> None:
        frame = dumps(verdict_frame(ref, id, stored, moderator=self.is_moderator))
        self._remember((id, hash(frame)))
        self._waiting.pop(id, None)
        self.outbox.put(frame)

    async def _subscribe(self, frame: frames.Subscribe) -> None:
        stream = self._granted(frame.stream)
        if frame.stream not in self.streams and len(self.streams) >= MAX_STREAMS:
            raise Forbidden(f"A connection carries at most {MAX_STREAMS} streams.")
        fresh = frame.stream not in self.streams
        self.streams[frame.stream] = stream
        try:
            if fresh:
                await self._ports.store.attach(self.client, frame.stream)
            await self._ports.hub.subscribe(
                self,
                stream,
                frame.since,
                frame.recent,
                lambda at, recovered: replies.subscribed(
                    frame.stream, at.epoch, at.offset, recovered
                ),
            )
        except RtaiError:
            self.streams.pop(frame.stream, None)
            raise
        await self._ports.audience.deliver_mail([self])
        if fresh:
            await self._ports.presences.join(self.client, frame.stream)

    async def _unsubscribe(self, stream: str) -> None:
        await self._leave(stream)
        self.outbox.put(replies.unsubscribed(stream))

    async def _leave(self, stream: str) -> None:
        self._ports.hub.unsubscribe(self.id, self.site, stream)
        self._typed.pop(stream, None)
        if self.streams.pop(stream, None) is None:
            return
        try:
            await self._ports.store.detach(self.client, stream)
            await self._ports.presences.leave(self.client, stream)
        except Overloaded as error:
            logger.info("A subscription is left to its lease: %s", error)

    async def _type(self, stream: str) -> None:
        self._granted(stream)
        now = self._ports.clock()
        if now - self._typed.get(stream, float("-inf")) < TYPING_S:
            return
        if stream in self.streams:
            self._typed[stream] = now
        event = {
            "type": "stream.event",
            "stream": f"{self.site}/{stream}",
            "kind": "typing",
            "user": self.user,
            "session": self.id,
            "frame": replies.typing(stream, self.user),
        }
        await self._ports.bus.send(keys.stream_group(self.site, stream), event)

    async def _remove(self, stream: str, id: str) -> None:
        self._granted(stream)
        await self._ports.removal.remove(self.client, stream, id)

    async def _ask_presence(self, stream: str) -> None:
        self._granted(stream)
        subscription = self._ports.hub.subscription(self.id, self.site, stream)
        if subscription is None:
            raise Forbidden("Subscribe to the stream first.")
        subscription.wants_presence = True
        count, users = await self._ports.presences.of(self.site, stream)
        self.outbox.put(replies.presence(stream, count, users))

    async def _refresh(self, token: str) -> None:
        claims = self._ports.verify(token)
        if (claims.site, claims.sub) != (self.site, self.user):
            raise Forbidden("The token is another user's.")
        self.client = replace(
            self.client,
            name=claims.name,
            role=claims.role,
            streams=frozenset(claims.streams),
            expires_ms=claims.exp * 1000,
        )
        for stream in [name for name in self.streams if not self.client.may_use(name)]:
            await self._unsubscribe(stream)
        self.outbox.put(replies.refreshed(self.client.expires_ms))
