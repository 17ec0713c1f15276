import asyncio
import gc
import json
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from inference.errors import BadFrame, Overloaded, RateLimited
from streams.audience import Audience
from streams.awaited import PROOF_S, Mail
from streams.closes import Close
from streams.hub import Hub
from streams.outbox import Outbox
from streams.ports import Ports
from streams.pulse import BURST_S, HEARTBEAT_S, MAX_BYTES_A_SECOND, PONG_S
from streams.roster import Roster
from streams.sessions import Session
from streams.stalls import STALL_S
from streams.subscriptions import MAX_STREAMS
from streams.tokens import Claims, InvalidToken
from tests.streams.answering import Assistance, FakeGenerations
from tests.streams.fakes import (
    FakeAdmission,
    FakeBus,
    FakeClock,
    FakeDirectory,
    FakeHistory,
    FakeMailboxes,
    FakePresences,
    FakeRemoval,
    FakeStore,
    lobby_group,
    turns,
)
from tests.streams.people import a_client

VERDICT = {
    "action": "block", "by": "policy", "policy": "default@1", "scores": {}, "models": {},
    "failures": {}, "timing_ms": {}, "decided_ms": 5,
    "reasons": [{"rule": "threats", "label": "threat", "score": 0.9}],
    "causes": ["threats"],
}  # fmt: skip


class Case:
    """Sessions over ports in memory."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.bus = FakeBus()
        self.history = FakeHistory()
        self.mailboxes = FakeMailboxes()
        self.admission = FakeAdmission()
        self.directory = FakeDirectory()
        self.store = FakeStore()
        self.removal = FakeRemoval()
        self.presences = FakePresences()
        self.roster = Roster(self.presences)
        self.tokens: dict[str, Claims] = {}
        self.hub = Hub(self.bus, self.history)
        self.audience = Audience(self.bus, self.mailboxes, self.clock.ms)
        self.bus.receive = self._receive
        self.generations = FakeGenerations()
        self.assistance = Assistance(
            self.hub, self.bus, self.directory, self.clock, self.generations
        )
        self.ports = Ports(
            hub=self.hub,
            bus=self.bus,
            audience=self.audience,
            admission=self.admission,
            directory=self.directory,
            store=self.store,
            removal=self.removal,
            roster=self.roster,
            generating=self.assistance.generating,
            verify=self._verify,
            now_ms=self.clock.ms,
            clock=self.clock,
            gate=asyncio.Semaphore(8),
            sent=lambda kind, count: None,
        )

    def _receive(self, source: str, message: Any) -> None:
        if message["type"].startswith("stream."):
            self.hub.receive(message)
        elif message["type"].startswith("generation."):
            self.assistance.following.receive(message)
        else:
            self.audience.receive(source, message)

    def _verify(self, token: str) -> Claims:
        if token not in self.tokens:
            raise InvalidToken("The token is not genuine.")
        return self.tokens[token]

    def visitor(self, **client: Any) -> "Visitor":
        return Visitor(self, **client)


class Visitor:
    """One client: sends frames, reads answers."""

    def __init__(self, case: Case, **client: Any) -> None:
        self.got: list[dict[str, Any]] = []
        self.closed: list[Close] = []
        self.write: Callable[[str], Any] = self._write
        self.taken = 0
        self.outbox = Outbox(
            lambda text: self.write(text),
            lambda: None,
            clock=case.clock,
            taken=lambda: self.taken,
        )
        self.session = Session(a_client(**client), self.outbox, case.ports, self.closed.append)

    async def _write(self, text: str) -> None:
        self.got += [json.loads(line) for line in text.split("\n")]

    async def ask(self, **frame: Any) -> list[dict[str, Any]]:
        """What comes back for a frame."""
        return await self.ask_raw(json.dumps(frame))

    async def ask_raw(self, text: str) -> list[dict[str, Any]]:
        await self.session.receive(text)
        return await self.read()

    async def read(self) -> list[dict[str, Any]]:
        await turns()
        await self.outbox.drained()
        found, self.got = self.got, []
        return found

    async def error(self, **frame: Any) -> str:
        """The code of the only answer, which is an error."""
        (found,) = await self.ask(**frame)
        assert found["type"] == "error"
        return str(found["code"])


@pytest.fixture
def case() -> Case:
    return Case()


async def test_a_client_is_welcomed(case: Case) -> None:
    visitor = case.visitor(session="s1")
    await visitor.session.open()

    (welcome,) = await visitor.read()
    assert welcome == {
        "type": "welcome", "session": "s1", "heartbeat_s": 25.0, "max_frame_bytes": 65536,
        "server_time": "1970-01-01T00:01:40.000Z",
    }  # fmt: skip


async def test_a_message_is_stored_and_accepted(case: Case) -> None:
    visitor = case.visitor(user="ann", name="Ann")
    (answer,) = await visitor.ask(type="message", stream="lobby", ref="r1", text="Hello")

    (message,) = case.admission.stored.values()
    assert answer == {"type": "accepted", "ref": "r1", "id": message.id, "stream": "lobby"}
    assert (message.author.id, message.author.name, message.text) == ("ann", "Ann", "Hello")
    assert message.deadline_ms - message.accepted_ms == 10_000


async def test_the_same_ref_gives_the_same_id_and_is_stored_once(case: Case) -> None:
    visitor = case.visitor()
    (first,) = await visitor.ask(type="message", stream="lobby", ref="r1", text="Hello")
    (second,) = await visitor.ask(type="message", stream="lobby", ref="r1", text="Hello")

    assert first == second
    assert len(case.admission.stored) == 1


async def test_the_same_ref_gives_the_verdict_once_there_is_one(case: Case) -> None:
    visitor = case.visitor()
    (first,) = await visitor.ask(type="message", stream="lobby", ref="r1", text="Hello")
    case.admission.verdicts[first["id"]] = VERDICT
    accepted, verdict = await visitor.ask(type="message", stream="lobby", ref="r1", text="Hello")

    assert accepted == first
    assert verdict == {
        "type": "verdict", "ref": "r1", "id": first["id"],
        "action": "block", "reasons": [{"rule": "threats"}],
    }  # fmt: skip


async def test_a_refused_message_says_when_to_come_back_and_keeps_the_socket(case: Case) -> None:
    visitor = case.visitor()
    case.admission.refusal = RateLimited("Too fast.", retry_after_ms=750)
    (answer,) = await visitor.ask(type="message", stream="lobby", ref="r1", text="Hello")

    assert answer == {
        "type": "error", "ref": "r1", "code": "rate_limited", "detail": "Too fast.",
        "retryable": True, "retry_after_ms": 750,
    }  # fmt: skip
    assert visitor.closed == []
    assert case.admission.stored == {}


async def test_a_store_that_is_away_is_told(case: Case) -> None:
    case.admission.refusal = Overloaded("Away.")
    visitor = case.visitor()

    assert await visitor.error(type="message", stream="lobby", ref="1", text="a") == "overloaded"
    assert case.admission.stored == {}


@pytest.mark.parametrize("kind", ["subscribe", "typing", "presence"])
async def test_a_stream_that_is_not_granted_is_forbidden_whether_it_exists_or_not(
    case: Case, kind: str
) -> None:
    visitor = case.visitor(streams=frozenset({"other"}))

    assert await visitor.error(type=kind, stream="lobby") == "forbidden"
    assert await visitor.error(type=kind, stream="nowhere") == "forbidden"


@pytest.mark.parametrize("kind", ["subscribe", "typing", "presence"])
async def test_a_stream_that_does_not_exist_is_not_found(case: Case, kind: str) -> None:
    assert await case.visitor().error(type=kind, stream="nowhere") == "not_found"


async def test_a_message_to_a_stream_that_is_not_granted_is_not_stored(case: Case) -> None:
    visitor = case.visitor(streams=frozenset({"other"}))

    assert await visitor.error(type="message", stream="lobby", ref="1", text="a") == "forbidden"
    assert case.admission.stored == {}


async def test_a_connection_carries_at_most_128_streams(case: Case) -> None:
    visitor = case.visitor()
    lobby = case.directory.streams["demo", "lobby"]
    for number in range(MAX_STREAMS + 1):
        case.directory.streams["demo", f"s{number}"] = lobby
    for number in range(MAX_STREAMS):
        visitor.session.streams[f"s{number}"] = lobby

    assert await visitor.error(type="subscribe", stream=f"s{MAX_STREAMS}") == "forbidden"


async def test_subscribing_delivers_the_mail_after_the_answer(case: Case) -> None:
    visitor = case.visitor(user="ann")
    case.mailboxes.mails["demo", "ann"] = [Mail("m1", '{"type":"verdict"}', "")]
    got = await visitor.ask(type="subscribe", stream="lobby")

    assert [frame["type"] for frame in got] == ["subscribed", "verdict"]
    assert got[0] == {
        "type": "subscribed", "stream": "lobby", "epoch": "e1", "offset": 0,
        "recovered": True, "running": [], "assistant": None,
    }  # fmt: skip


MAIL = Mail("m1", '{"type":"verdict"}', "")
ADDRESS = ("demo", "ann", "m1")


async def took_a_verdict(case: Case) -> Visitor:
    """A visitor to whom a verdict was just written."""
    visitor = case.visitor(user="ann")
    await visitor.session.open()
    case.mailboxes.mails["demo", "ann"] = [MAIL]
    await case.audience.deliver_mail([visitor.session])
    case.mailboxes.mails.clear()
    assert [frame["type"] for frame in await visitor.read()] == ["welcome", "verdict"]
    return visitor


async def test_a_verdict_leaves_the_mailbox_a_while_after_it_was_written(case: Case) -> None:
    await took_a_verdict(case)
    await case.audience.settle()
    assert case.mailboxes.removed == set()

    case.clock.now += PROOF_S
    await case.audience.settle()
    assert case.mailboxes.removed == {ADDRESS}


async def test_one_that_breaks_off_before_it_is_heard_gets_the_verdict_again(case: Case) -> None:
    visitor = await took_a_verdict(case)
    case.clock.now += 9
    await case.audience.settle()
    assert case.mailboxes.removed == {ADDRESS}
    await visitor.session.close()
    await case.audience.settle()

    again = case.visitor(user="ann")
    got = await again.ask(type="subscribe", stream="lobby")
    assert [frame["type"] for frame in got] == ["subscribed", "verdict"]


async def test_what_was_not_read_also_reaches_the_sessions_that_came_meanwhile(case: Case) -> None:
    visitor, again, other = (
        await took_a_verdict(case),
        case.visitor(user="ann"),
        case.visitor(user="bob"),
    )
    for each in (again, other):
        await each.session.open()
        await each.read()
    await visitor.session.close()
    await case.audience.settle()

    assert [frame["type"] for frame in await again.read()] == ["verdict"]
    assert await other.read() == []


async def test_one_that_was_heard_since_has_read_its_verdict(case: Case) -> None:
    visitor = await took_a_verdict(case)
    case.clock.now += PROOF_S
    await visitor.ask(type="pong")
    await visitor.session.close()
    await case.audience.settle()

    assert case.mailboxes.mails == {}
    assert case.mailboxes.removed == {ADDRESS}


async def test_one_that_says_farewell_has_read_its_verdict(case: Case) -> None:
    visitor = await took_a_verdict(case)
    await visitor.session.close(farewell=True)
    await case.audience.settle()

    assert case.mailboxes.mails == {}
    assert case.mailboxes.removed == {ADDRESS}


async def test_a_verdict_that_was_never_written_stays_in_the_mailbox(case: Case) -> None:
    visitor = case.visitor(user="ann")
    await visitor.session.open()
    await visitor.read()
    visitor.session.take_verdict(MAIL)  # Nothing is written before the next turn of the loop.
    case.clock.now += PROOF_S
    await visitor.session.close(farewell=True)
    await case.audience.settle()

    assert case.mailboxes.removed == set()


async def test_what_cannot_be_put_back_now_is_put_back_later(case: Case) -> None:
    visitor = await took_a_verdict(case)
    await visitor.session.close()
    case.mailboxes.away = True
    with pytest.raises(Overloaded):
        await case.audience.settle()
    case.mailboxes.away = False
    await case.audience.settle()

    assert case.mailboxes.mails == {("demo", "ann"): [MAIL]}


async def test_putting_back_that_is_cut_short_is_done_again(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = await took_a_verdict(case)
    await visitor.session.close()
    with monkeypatch.context() as slow:
        slow.setattr(case.mailboxes, "put", lambda _: asyncio.Event().wait())
        settling = asyncio.create_task(case.audience.settle())
        await turns()
        settling.cancel()
        await turns()
    await case.audience.settle()

    assert settling.cancelled()
    assert case.mailboxes.mails == {("demo", "ann"): [MAIL]}


async def test_a_verdict_that_lies_there_still_is_taken_out_once_more(case: Case) -> None:
    visitor = await took_a_verdict(case)
    case.clock.now += PROOF_S
    await case.audience.settle()
    case.mailboxes.removed.clear()
    case.mailboxes.mails["demo", "ann"] = [MAIL]
    await case.audience.deliver_mail([visitor.session])
    assert await visitor.read() == []
    case.clock.now += PROOF_S
    await case.audience.settle()

    assert case.mailboxes.removed == {ADDRESS}


async def test_the_same_verdict_comes_once_by_mail_and_live(case: Case) -> None:
    visitor = case.visitor(user="ann")
    await visitor.session.open()
    case.mailboxes.mails["demo", "ann"] = [Mail("m1", '{"type":"verdict"}', "")]
    await visitor.ask(type="subscribe", stream="lobby")
    await visitor.ask(type="subscribe", stream="lobby")
    case.audience.receive(
        "demo",
        {
            "type": "user.frame", "user": "ann", "id": "m1",
            "frame": '{"type":"verdict"}', "moderator_frame": "",
        },
    )  # fmt: skip

    assert await visitor.read() == []


async def test_an_unsubscribed_stream_is_silent(case: Case) -> None:
    visitor = case.visitor()
    await visitor.ask(type="subscribe", stream="lobby")
    answer = await visitor.ask(type="unsubscribe", stream="lobby")
    case.bus.publish(lobby_group(), case.history.publish())

    assert answer == [{"type": "unsubscribed", "stream": "lobby"}]
    assert await visitor.read() == []
    assert case.store.attached == set()


async def test_a_failed_subscription_leaves_nothing_behind(case: Case) -> None:
    visitor = case.visitor()
    case.history.away = True

    assert await visitor.error(type="subscribe", stream="lobby") == "overloaded"
    assert visitor.session.streams == {}


async def test_typing_is_passed_on_to_others_at_most_once_a_second(case: Case) -> None:
    ann, bob = case.visitor(user="ann"), case.visitor(user="bob")
    for visitor in (ann, bob):
        await visitor.ask(type="subscribe", stream="lobby")
    for _ in range(5):
        assert await ann.ask(type="typing", stream="lobby") == []
    assert await bob.read() == [{"type": "typing", "stream": "lobby", "user": "ann"}]

    case.clock.now += 1
    await ann.ask(type="typing", stream="lobby")
    assert len(await bob.read()) == 1


async def test_presence_tells_who_is_there(case: Case) -> None:
    ann, bob = case.visitor(user="ann", name="Ann"), case.visitor(user="bob", name="Bob")
    for visitor in (ann, bob):
        await visitor.ask(type="subscribe", stream="lobby")

    assert await ann.ask(type="presence", stream="lobby") == [
        {
            "type": "presence", "stream": "lobby", "count": 2,
            "users": [{"id": "ann", "name": "Ann"}, {"id": "bob", "name": "Bob"}],
        }
    ]  # fmt: skip


async def test_presence_is_for_subscribers(case: Case) -> None:
    assert await case.visitor().error(type="presence", stream="lobby") == "forbidden"


async def test_one_removes_ones_own_messages_and_a_moderator_any(case: Case) -> None:
    case.removal.authors["m1"] = "ann"
    bob, ann = case.visitor(user="bob"), case.visitor(user="ann")
    moderator = case.visitor(user="mod", role="moderator")

    assert await bob.error(type="remove", stream="lobby", id="m1") == "forbidden"
    assert await bob.error(type="remove", stream="lobby", id="m2") == "not_found"
    for remover in (ann, moderator):
        removed = {"type": "removed", "stream": "lobby", "id": "m1"}
        assert await remover.ask(type="remove", stream="lobby", id="m1") == [removed]
    assert case.removal.removed == ["m1", "m1"]


async def test_who_reads_a_stream_hears_of_a_removal_from_there_only(case: Case) -> None:
    case.removal.authors["m1"] = "ann"
    ann = case.visitor(user="ann")
    await ann.ask(type="subscribe", stream="lobby")

    assert await ann.ask(type="remove", stream="lobby", id="m1") == []


async def test_a_stream_that_does_not_exist_cannot_be_left(case: Case) -> None:
    visitor = case.visitor()
    assert await visitor.error(type="unsubscribe", stream="nowhere") == "not_found"
    (left,) = await visitor.ask(type="unsubscribe", stream="lobby")
    assert left == {"type": "unsubscribed", "stream": "lobby"}


async def test_a_stream_that_is_gone_meanwhile_can_be_left(case: Case) -> None:
    visitor = case.visitor()
    await visitor.ask(type="subscribe", stream="other")
    del case.directory.streams["demo", "other"]

    (left,) = await visitor.ask(type="unsubscribe", stream="other")
    assert left == {"type": "unsubscribed", "stream": "other"}


async def test_what_needs_an_assistant_is_unsupported(case: Case) -> None:
    visitor = case.visitor()
    generate = {"type": "generate", "ref": "g1", "messages": [{"role": "user", "content": "hi"}]}

    (answer,) = await visitor.ask(**generate)
    assert (answer["code"], answer["ref"]) == ("unsupported", "g1")
    assert await visitor.error(type="cancel", ref="g1") == "not_found"
    assert await visitor.error(type="resume", id="x", **{"from": 0}) == "not_found"


async def test_a_refreshed_token_extends_the_connection_and_drops_what_is_not_granted(
    case: Case,
) -> None:
    visitor = case.visitor(user="ann", expires_ms=case.clock.ms() + 1_000)
    await visitor.ask(type="subscribe", stream="lobby")
    await visitor.ask(type="subscribe", stream="other")
    expires_s = int(case.clock.now) + 600
    case.tokens["new"] = Claims("demo", "ann", "Ann", ("other",), "member", expires_s)
    got = await visitor.ask(type="refresh", token="new")

    assert got == [
        {"type": "unsubscribed", "stream": "lobby", "reason": "forbidden"},
        {"type": "refreshed", "expires_at": "1970-01-01T00:11:40.000Z"},
    ]
    case.clock.now += 5
    visitor.session.tick()
    assert visitor.closed == []
    assert await visitor.error(type="subscribe", stream="lobby") == "forbidden"


@pytest.mark.parametrize(("before", "after"), [("moderator", "member"), ("member", "moderator")])
async def test_a_refreshed_role_decides_at_once_whether_scores_are_shown(
    case: Case, before: str, after: str
) -> None:
    visitor = case.visitor(user="ann", role=before)
    await visitor.ask(type="subscribe", stream="lobby")
    case.tokens["new"] = Claims("demo", "ann", "Ann", ("*",), after, 2_000_000_000)
    shown = []
    for _ in range(2):
        message = dict(case.history.publish())
        message["moderator_frame"] = message["frame"][:-1] + ',"scores":{}}'
        case.bus.publish(lobby_group(), message)
        shown += [frame for frame in await visitor.read() if frame["type"] == "message"]
        await visitor.ask(type="refresh", token="new")

    roles = (before, after)
    assert ["scores" in frame for frame in shown] == [role == "moderator" for role in roles]


@pytest.mark.parametrize(("site", "user"), [("blog", "ann"), ("demo", "bob")])
async def test_another_users_token_does_not_refresh(case: Case, site: str, user: str) -> None:
    visitor = case.visitor(user="ann")
    case.tokens["new"] = Claims(site, user, "", ("*",), "member", 2_000_000_000)

    assert await visitor.error(type="refresh", token="new") == "forbidden"
    assert await visitor.error(type="refresh", token="forged") == "unauthorized"


async def test_a_token_that_ends_closes_the_connection(case: Case) -> None:
    visitor = case.visitor(expires_ms=case.clock.ms() + 1_000)
    visitor.session.tick()
    assert visitor.closed == []

    case.clock.now += 1
    visitor.session.tick()
    assert [close.code for close in visitor.closed] == [4005]


async def test_a_client_without_a_pong_is_closed(case: Case) -> None:
    visitor = case.visitor()
    case.clock.now += HEARTBEAT_S
    visitor.session.tick()
    assert await visitor.read() == [{"type": "ping"}]

    case.clock.now += PONG_S
    visitor.session.tick()
    visitor.session.tick()
    assert [close.code for close in visitor.closed] == [4012]


async def test_a_client_that_slowly_takes_what_waits_before_its_ping_is_not_closed(
    case: Case,
) -> None:
    visitor, taken = case.visitor(), asyncio.Event()
    write = visitor.write

    async def slowly(text: str) -> None:
        await taken.wait()
        await write(text)

    visitor.write = slowly
    await visitor.session.receive('{"type":"nonsense"}')
    await turns()
    for _ in range(10):  # 40 s: a heartbeat, and more than a pong may take.
        case.clock.now += STALL_S - 1
        visitor.taken += 1
        visitor.session.tick()
    assert visitor.closed == []

    taken.set()
    assert [frame["type"] for frame in await visitor.read()] == ["error", "ping"]
    case.clock.now += PONG_S
    visitor.session.tick()
    assert [close.code for close in visitor.closed] == [4012]


async def test_a_pong_keeps_the_connection(case: Case) -> None:
    visitor = case.visitor()
    case.clock.now += HEARTBEAT_S
    visitor.session.tick()
    await visitor.ask(type="pong")
    case.clock.now += PONG_S
    visitor.session.tick()

    assert visitor.closed == []


async def test_a_client_that_takes_nothing_for_five_seconds_is_cut(case: Case) -> None:
    visitor = case.visitor()

    async def never(text: str) -> None:
        await turns(1_000_000)

    visitor.write = never
    await visitor.session.receive('{"type":"nonsense"}')
    await turns()
    case.clock.now += STALL_S
    visitor.session.tick()

    assert [close.code for close in visitor.closed] == [4008]
    visitor.outbox.discard()


async def test_a_flood_is_closed_and_the_rest_is_not_served(case: Case) -> None:
    visitor = case.visitor()
    for _ in range(100):
        await visitor.session.receive('{"type":"pong"}\n' * 100)

    assert [close.code for close in visitor.closed] == [4013]


@pytest.mark.parametrize("character", ["a", "é", "한", "😀"])
async def test_what_a_client_may_send_is_counted_in_bytes(case: Case, character: str) -> None:
    visitor = case.visitor()
    text = character * (MAX_BYTES_A_SECOND * BURST_S // 64 // len(character.encode()))
    served = [bool(await visitor.session.receive(text)) for _ in range(65)]

    assert served == [True] * 64 + [False]
    assert [close.code for close in visitor.closed] == [4013]


class Text(str):
    """One that can be watched."""


@pytest.mark.parametrize("text", ["nonsense", "more\nnonsense", '{"type":"typo"}'])
async def test_what_was_refused_is_gone_without_a_garbage_collection(case: Case, text: str) -> None:
    visitor = case.visitor()
    watched = Text(text)
    gone = weakref.ref(watched)
    gc.disable()
    try:
        assert await visitor.session.receive(watched)
        del watched
        assert gone() is None
    finally:
        gc.enable()


async def test_bad_frames_are_answered_and_keep_the_socket(case: Case) -> None:
    visitor = case.visitor()
    got = await visitor.ask_raw('nonsense\n{"type":"typo","ref":"7"}\n{"type":"pong"}')

    assert [(frame["code"], frame.get("ref")) for frame in got] == [
        ("bad_frame", None),
        ("unknown_type", "7"),
    ]
    visitor.session.hear_nonsense(BadFrame("Frames are text."), 10)
    assert (await visitor.read())[0]["code"] == "bad_frame"
    assert visitor.closed == []


async def test_a_closed_session_is_off_every_list(case: Case) -> None:
    visitor = case.visitor(session="s1", user="ann", name="Ann")
    await visitor.session.open()
    await visitor.ask(type="subscribe", stream="lobby")
    await visitor.session.close()
    case.bus.publish(lobby_group(), case.history.publish())

    assert case.store.closed == ["s1"]
    assert case.store.attached == set()
    assert case.presences.present == {"lobby": {}}
    assert await visitor.read() == []


async def test_a_session_closes_even_while_redis_is_away(case: Case) -> None:
    visitor = case.visitor()
    await visitor.session.open()
    await visitor.ask(type="subscribe", stream="lobby")
    case.store.away = True

    await visitor.session.close()
    assert visitor.session.streams == {}
