"""One client's attachment: takes what its frames ask for, and answers them."""

import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from inference.errors import Forbidden, NotFound, Overloaded, RtaiError
from streams import frames, keys, replies
from streams.awaited import Awaited, Mail, Taken
from streams.clients import Client
from streams.closes import FLOODED, Close, CloseCode, close
from streams.directory import StreamInfo
from streams.entry import message_of
from streams.frames import Frame, Refused
from streams.generate_frames import Cancel, Generate, Resume
from streams.outbox import Outbox, size_of
from streams.ports import Ports
from streams.pulse import HEARTBEAT_S, Beat, Pulse
from streams.stalls import STALL_S
from streams.subscriptions import Subscriptions
from streams.verdict_frames import dumps, verdict_frame

TYPING_S = 1.0
"""How often a session's typing in a stream is passed on."""
logger = logging.getLogger(__name__)


class Session:
    """A connected client. `cut` ends its connection; the edge does that and then calls `close`."""

    def __init__(
        self, client: Client, outbox: Outbox, ports: Ports, cut: Callable[[Close], None]
    ) -> None:
        self.client = client
        self.outbox = outbox
        self.ended: Close | None = None
        self.leaving = False
        """Whether it is being taken off the lists."""
        self._farewell = False
        self._ports = ports
        self._subscriptions = Subscriptions(ports)
        self._cut = cut
        self._awaited = Awaited()
        self._typed: dict[str, float] = {}
        self._pulse = Pulse(ports.clock)

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

    @property
    def streams(self) -> dict[str, StreamInfo]:
        """Those it is subscribed to, by name."""
        return self._subscriptions.streams

    async def open(self) -> None:
        """Greets the client; raises Overloaded if its site's news cannot be heard."""
        await self._ports.audience.enter(self)
        about = self.id, HEARTBEAT_S, frames.MAX_FRAME_BYTES, self._ports.now_ms()
        self._say("welcome", replies.welcome(*about))

    async def close(self, *, farewell: bool = False, returns: bool = False) -> None:
        """Takes the session off every list: here before it first waits, elsewhere whatever is away.

        A client that said farewell has read what was written before, and goes for good unless it
        `returns`.
        """
        self.leaving = True
        self._farewell = farewell
        unread = [] if farewell else self._awaited.unread(self._pulse.heard)
        self._ports.audience.leave(self, unread)
        self.outbox.discard()
        asked = self._ports.generating.leave(self)
        back_ms = None if farewell and not returns else 0
        if self.ended is not None:
            back_ms = self.ended.back_ms
        try:
            await self._ports.generating.depart(self, asked, back_ms)
        finally:
            await self._subscriptions.leave_all(self)
        try:
            async with self._ports.gate:
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
        found = frames.parse(text)
        if not self._pulse.hear(len(found), size_of(text)):
            self.end(FLOODED)
            return []
        served = []
        for frame in found:
            if self.ended is not None:
                break
            served.append((frame, await self._serve(frame)))
        return served

    def hear_nonsense(self, error: RtaiError, size: int) -> None:
        """Answers what is no text frame at all."""
        self._say("error", replies.error(error))
        if not self._pulse.hear(1, size):
            self.end(FLOODED)

    def tick(self) -> None:
        """Looks after the token's end, a stalled client and the heartbeat."""
        stalled_s = self.outbox.stalled_s()
        self._awaited.forget(self._ports.now_ms())
        if self._ports.now_ms() >= self.client.expires_ms:
            self.end(close(CloseCode.TOKEN_EXPIRED, "The token has expired.", retry_after_ms=0))
        elif stalled_s >= STALL_S:
            self.end(close(CloseCode.SLOW_READER, "Nothing was read.", retry_after_ms=1_000))
        elif (beat := self._pulse.beat()) is Beat.DEAD:
            self.end(close(CloseCode.NO_PONG, "No pong came.", retry_after_ms=500))
        elif beat is Beat.PING:
            self.outbox.put(replies.PING, sent=self._pulse.pinged)
            self._ports.sent("ping", 1)

    def take_verdict(self, mail: Mail) -> None:
        """Hands over a verdict, but not the same one twice."""
        frame = (mail.moderator_frame if self.is_moderator else "") or mail.frame
        taken = self._awaited.take(mail, frame, self._ports.clock())
        if taken is not None:
            self.outbox.put(frame, sent=partial(self._note_written, taken))
            self._ports.sent("verdict", 1)

    def _note_written(self, taken: Taken) -> None:
        taken.written = self._ports.clock()

    @property
    def holds_verdicts(self) -> bool:
        """Whether it took verdicts that are not known to be read."""
        return self._awaited.holds

    def delivered(self) -> list[str]:
        """Ids of those whose verdicts went out a while ago; tells each once."""
        now = math.inf if self._farewell else self._ports.clock()
        return self._awaited.delivered(now, self._pulse.heard)

    def waits_since(self) -> int | None:
        """When the oldest message without a verdict was accepted."""
        return self._awaited.since

    def _say(self, kind: str, frame: str) -> None:
        self.outbox.put(frame)
        self._ports.sent(kind, 1)

    async def _serve(self, frame: Frame | Refused) -> RtaiError | None:
        if isinstance(frame, Refused):
            self._say("error", replies.error(frame.error, frame.ref or ""))
            return frame.error
        if isinstance(frame, frames.Pong):
            return None
        try:
            await _SERVERS[type(frame)](self, frame)
        except RtaiError as error:
            named = getattr(frame, "ref", ""), getattr(frame, "id", "")
            self._say("error", replies.error(error, *named))
            return error
        return None

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
        message = message_of(self.client, stream, frame.ref, frame.text, now_ms)
        async with self._ports.gate:
            admitted = await self._ports.admission.admit(message, self.client)
        self._say("accepted", replies.accepted(frame.ref, admitted.id, frame.stream))
        if admitted.verdict is not None:
            self._repeat_verdict(frame.ref, admitted.id, admitted.verdict)
            return
        self._awaited.wait(admitted.id, now_ms)

    def _repeat_verdict(self, ref: str, id: str, stored: Mapping[str, object]) -> None:
        frame = dumps(verdict_frame(ref, id, stored, moderator=self.is_moderator))
        self._awaited.see(id, frame)
        self._say("verdict", frame)

    async def _subscribe(self, frame: frames.Subscribe) -> None:
        await self._subscriptions.enter(self, self._granted(frame.stream), frame)

    async def _unsubscribe(self, frame: frames.Unsubscribe) -> None:
        known = self._ports.directory.stream(self.site, frame.stream)
        if known is None and frame.stream not in self.streams:
            raise NotFound("There is no such stream.")
        await self.withdraw(frame.stream)

    async def withdraw(self, stream: str, reason: str = "") -> None:
        """Takes it out of a stream and says so; `reason` is why, where it did not ask for that."""
        self._typed.pop(stream, None)
        await self._subscriptions.leave(self, stream)
        self._say("unsubscribed", replies.unsubscribed(stream, reason))

    async def _type(self, frame: frames.Typing) -> None:
        stream = frame.stream
        self._granted(stream)
        now = self._ports.clock()
        if now - self._typed.get(stream, float("-inf")) < TYPING_S:
            return
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

    async def _remove(self, frame: frames.Remove) -> None:
        self._granted(frame.stream)
        removed = await self._ports.removal.remove(self.client, frame.stream, frame.id)
        if self._ports.hub.subscription(self.id, self.site, frame.stream) is None:
            self._say("removed", removed)

    async def _ask_presence(self, frame: frames.AskPresence) -> None:
        stream = frame.stream
        self._granted(stream)
        subscription = self._ports.hub.subscription(self.id, self.site, stream)
        if subscription is None:
            raise Forbidden("Subscribe to the stream first.")
        subscription.wants_presence = True
        count, users = await self._ports.roster.of(self.site, stream)
        self._say("presence", replies.presence(stream, count, users))

    async def _refresh(self, frame: frames.Refresh) -> None:
        claims = self._ports.verify(frame.token)
        if (claims.site, claims.sub) != (self.site, self.user):
            raise Forbidden("The token is another user's.")
        self.client = replace(
            self.client,
            name=claims.name,
            role=claims.role,
            streams=frozenset(claims.streams),
            expires_ms=claims.exp * 1000,
        )
        self._subscriptions.take_role(self)
        for stream in [name for name in self.streams if not self.client.may_use(name)]:
            await self.withdraw(stream, Forbidden.code)
        self._say("refreshed", replies.refreshed(self.client.expires_ms))

    async def _generate(self, frame: Generate | Cancel | Resume) -> None:
        await self._ports.generating.serve(self, frame)


_SERVERS: Mapping[type, Callable[[Session, Any], Awaitable[None]]] = {
    frames.Send: Session._send,
    frames.Subscribe: Session._subscribe,
    frames.Unsubscribe: Session._unsubscribe,
    frames.Typing: Session._type,
    frames.Remove: Session._remove,
    frames.AskPresence: Session._ask_presence,
    frames.Refresh: Session._refresh,
    Generate: Session._generate,
    Cancel: Session._generate,
    Resume: Session._generate,
}
