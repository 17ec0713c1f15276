"""Asking, following, resuming and cancelling, over ports in memory."""

import asyncio
from typing import Any

import pytest

from generation import keys as generation_keys
from generation.generations import FinishReason
from inference.errors import Overloaded, RateLimited
from streams.closes import Close, CloseCode, close
from streams.following import QUIET_S
from tests.generation.answers import Book, an_assistant
from tests.streams.answering import Worker
from tests.streams.fakes import lobby_group, turns
from tests.streams.test_sessions import Case, Visitor

QUESTION = [{"role": "user", "content": "Who are you?"}]
NEVER = "0" * 32
END = {"finish_reason": "stop", "usage": {"prompt_tokens": 7, "completion_tokens": 3}}


class Talk(Case):
    """Sessions of a site with an assistant."""

    def __init__(self) -> None:
        super().__init__()
        self.assistance.book = Book()
        self.worker = Worker(self.generations, self.bus)

    async def asked(self, visitor: Visitor, ref: str = "r", **fields: Any) -> str:
        """Asks; the generation's id."""
        frame = {"type": "generate", "ref": ref, "messages": QUESTION} | fields
        assert await visitor.ask(**frame) == []
        return self.generations.refs["demo", visitor.session.user, ref]

    async def pass_s(self, seconds: float) -> None:
        """Time passes, and the gateway looks after its answers."""
        self.clock.now += seconds
        await self.assistance.generating.check()


@pytest.fixture
def talk() -> Talk:
    return Talk()


def said(frames: list[dict[str, Any]]) -> str:
    """The text that a client has: pieces must follow one another."""
    text = ""
    for frame in frames:
        if frame["type"] == "token":
            assert frame["from"] == len(text), frames
            text += frame["text"]
    return text


def kinds(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["type"] for frame in frames]


async def test_an_answer_is_started_told_piece_by_piece_and_ended(talk: Talk) -> None:
    ann = talk.visitor(user="ann")
    id = await talk.asked(ann)
    assert talk.assistance.dispatched == [id]

    talk.worker.start(id)
    start = {"ref": "r", "id": id, "stream": None, "model": "chat-mini", "user": "ann"}
    assert await ann.read() == [{"type": "start", **start}]
    talk.worker.write(id, "I am ")
    assert await ann.read() == [{"type": "token", "id": id, "from": 0, "text": "I am "}]
    talk.worker.write(id, "😀 é")
    assert await ann.read() == [{"type": "token", "id": id, "from": 5, "text": "😀 é"}]
    talk.worker.finish(id)
    assert await ann.read() == [{"type": "done", "id": id, "ref": "r", **END}]


async def test_many_answers_grow_at_once_beside_other_frames(talk: Talk) -> None:
    ann = talk.visitor(user="ann")
    first, second = await talk.asked(ann, "1"), await talk.asked(ann, "2")
    for id in (first, second):
        talk.worker.start(id)
    talk.worker.write(first, "one")
    got = await ann.ask(type="subscribe", stream="lobby")
    talk.worker.write(second, "two")
    talk.worker.finish(first)
    got += await ann.read()

    assert kinds(got) == ["start", "start", "token", "subscribed", "token", "done"]
    assert {(each["id"], each["text"]) for each in got if each["type"] == "token"} == {
        (first, "one"),
        (second, "two"),
    }


async def test_a_private_answer_reaches_nobody_else(talk: Talk) -> None:
    ann, other, bob = talk.visitor(user="ann"), talk.visitor(user="ann"), talk.visitor(user="bob")
    for each in (ann, other, bob):
        await each.ask(type="subscribe", stream="lobby")
    talk.worker.answer(await talk.asked(ann), "secret")

    assert said(await ann.read()) == "secret"
    assert await other.read() == await bob.read() == []


async def test_everybody_in_the_stream_sees_the_answer_and_only_the_asker_the_ref(
    talk: Talk,
) -> None:
    ann, bob, eve = talk.visitor(user="ann"), talk.visitor(user="bob"), talk.visitor(user="eve")
    for each, stream in ((ann, "lobby"), (bob, "lobby"), (eve, "other")):
        await each.ask(type="subscribe", stream=stream)
    id = await talk.asked(ann, stream="lobby")
    talk.worker.answer(id, "Hello ", "all")

    mine, theirs = await ann.read(), await bob.read()
    assert said(mine) == said(theirs) == "Hello all"
    assert [frame["ref"] for frame in (mine[0], theirs[0])] == ["r", None]
    assert mine[0]["stream"] == theirs[0]["stream"] == "lobby"
    assert "ref" not in theirs[-1]
    assert await eve.read() == []


async def test_one_may_ask_in_a_stream_without_reading_it(talk: Talk) -> None:
    ann = talk.visitor(user="ann")
    id = await talk.asked(ann, stream="lobby")
    await talk.hub.check()
    talk.worker.answer(id, "Hello")

    assert said(await ann.read()) == "Hello"
    await talk.hub.check()
    assert talk.bus.groups == {}


async def test_who_comes_late_gets_the_text_so_far_and_goes_on_from_there(talk: Talk) -> None:
    ann, bob = talk.visitor(user="ann"), talk.visitor(user="bob")
    await ann.ask(type="subscribe", stream="lobby")
    id = await talk.asked(ann, stream="lobby")
    talk.worker.start(id)
    talk.worker.write(id, "Hello ")
    (subscribed,) = await bob.ask(type="subscribe", stream="lobby")
    talk.worker.write(id, "all")
    talk.worker.finish(id)

    assert subscribed["running"] == [{"id": id, "user": "ann", "text": "Hello "}]
    token, done = await bob.read()
    assert (token["from"], token["text"]) == (6, "all")
    assert done["type"] == "done"
    (again,) = await bob.ask(type="subscribe", stream="lobby")
    assert again["running"] == []


async def test_a_gateway_that_comes_to_a_stream_late_learns_what_runs_in_it(talk: Talk) -> None:
    ann, bob = talk.visitor(user="ann"), talk.visitor(user="bob")
    id = await talk.asked(ann, stream="lobby")
    await ann.session.close()
    await turns()
    await talk.hub.check()
    assert talk.bus.groups == {}
    talk.worker.start(id)
    talk.worker.write(id, "Hello ")

    (subscribed,) = await bob.ask(type="subscribe", stream="lobby")
    talk.worker.write(id, "all")

    assert subscribed["running"] == [{"id": id, "user": "ann", "text": "Hello "}]
    assert [each["from"] for each in await bob.read()] == [6]


async def test_subscribing_anew_starts_from_the_whole_text(talk: Talk) -> None:
    ann = talk.visitor(user="ann")
    await ann.ask(type="subscribe", stream="lobby")
    id = await talk.asked(ann, stream="lobby")
    talk.worker.start(id)
    talk.worker.write(id, "Hello ")
    await ann.read()

    (subscribed,) = await ann.ask(type="subscribe", stream="lobby")
    talk.worker.write(id, "all")

    assert subscribed["running"][0]["text"] == "Hello "
    assert [each["from"] for each in await ann.read()] == [6]


async def test_who_unsubscribes_hears_no_more_unless_it_asked(talk: Talk) -> None:
    ann, bob = talk.visitor(user="ann"), talk.visitor(user="bob")
    for each in (ann, bob):
        await each.ask(type="subscribe", stream="lobby")
    id = await talk.asked(ann, stream="lobby")
    talk.worker.start(id)
    for each in (ann, bob):
        await each.ask(type="unsubscribe", stream="lobby")
    talk.worker.write(id, "Hello")
    talk.worker.finish(id)

    assert kinds(await ann.read()) == ["token", "done"]
    assert await bob.read() == []


async def test_a_slow_client_gets_longer_pieces_and_the_end(talk: Talk) -> None:
    ann, gate = talk.visitor(user="ann"), asyncio.Event()
    id = await talk.asked(ann)
    fast = ann.write

    async def slow(text: str) -> None:
        await gate.wait()
        await fast(text)

    ann.write = slow
    talk.worker.start(id)
    await turns()
    for number in range(1_000):
        talk.worker.write(id, f"{number} ")
    await turns()
    assert ann.outbox.pending_bytes < 1_000
    talk.worker.finish(id)
    gate.set()
    got = await ann.read()

    assert kinds(got) == ["start", "token", "done"]
    assert said(got) == "".join(f"{number} " for number in range(1_000))


async def test_announcements_that_are_lost_doubled_or_late_change_nothing(talk: Talk) -> None:
    ann = talk.visitor(user="ann")
    id = await talk.asked(ann)
    talk.worker.lost = True
    talk.worker.start(id)
    talk.worker.write(id, "a")
    talk.worker.lost = False
    talk.worker.write(id, "b")
    got = await ann.read()
    talk.worker.lost = True
    talk.worker.write(id, "c")
    talk.worker.lost = False
    talk.worker.write(id, "d")
    group = generation_keys.group(id)
    piece = {"type": "generation.token", "id": id, "site": "demo", "stream": ""}
    talk.bus.publish(group, {**piece, "from": 1, "text": "bcd"})
    talk.bus.publish(group, {**piece, "from": 0, "text": "a"})
    got += await ann.read()
    talk.worker.lost = True
    talk.worker.write(id, "e")
    talk.worker.lost = False
    talk.worker.finish(id)
    got += await ann.read()

    assert said(got) == "abcde"
    assert (got[0]["type"], got[-1]["type"]) == ("start", "done")


async def test_an_end_that_the_bus_lost_is_found_by_reading(talk: Talk) -> None:
    ann = talk.visitor(user="ann")
    id = await talk.asked(ann)
    talk.worker.lost = True
    talk.worker.answer(id, "Hello")

    assert await ann.read() == []
    await talk.pass_s(QUIET_S)
    got = await ann.read()
    assert said(got) == "Hello"
    assert kinds(got) == ["start", "token", "done"]


async def test_what_others_asked_is_found_by_its_next_piece(talk: Talk) -> None:
    ann, bob = talk.visitor(user="ann"), talk.visitor(user="bob")
    await bob.ask(type="subscribe", stream="lobby")
    id = await talk.asked(ann, stream="lobby")
    await ann.session.close()
    talk.worker.lost = True
    talk.worker.start(id)
    talk.worker.write(id, "Hello ")
    talk.worker.lost = False
    talk.worker.write(id, "all")

    got = await bob.read()
    assert (got[0]["type"], said(got)) == ("start", "Hello all")


async def test_a_generation_that_is_lost_is_interrupted(talk: Talk) -> None:
    ann = talk.visitor(user="ann")
    id = await talk.asked(ann)
    talk.worker.start(id)
    await ann.read()
    del talk.generations.stored[id]
    await talk.pass_s(QUIET_S)

    (done,) = await ann.read()
    assert (done["type"], done["finish_reason"]) == ("done", "interrupted")


async def test_while_redis_is_away_an_answer_waits(talk: Talk) -> None:
    ann = talk.visitor(user="ann")
    id = await talk.asked(ann)
    talk.worker.lost = True
    talk.worker.answer(id, "Hello")
    talk.generations.away = True
    talk.clock.now += QUIET_S
    await talk.assistance.following.check()
    assert await ann.read() == []

    talk.generations.away = False
    await talk.pass_s(QUIET_S)
    assert said(await ann.read()) == "Hello"


async def test_nothing_of_a_blocked_answer_follows_its_end(talk: Talk) -> None:
    ann = talk.visitor(user="ann")
    id = await talk.asked(ann)
    talk.worker.start(id)
    await ann.read()
    talk.worker.write(id, "something vile")
    talk.worker.finish(id, FinishReason.BLOCKED)

    (done,) = await ann.read()
    assert (done["type"], done["finish_reason"]) == ("done", "blocked")
    got = await ann.ask(type="resume", id=id, **{"from": 0})
    assert kinds(got) == ["done"]


async def test_a_prompt_that_is_blocked_ends_without_a_start(talk: Talk) -> None:
    ann, bob = talk.visitor(user="ann"), talk.visitor(user="bob")
    await bob.ask(type="subscribe", stream="lobby")
    talk.worker.finish(await talk.asked(ann, stream="lobby"), FinishReason.BLOCKED)

    (done,) = await ann.read()
    assert (done["ref"], done["finish_reason"]) == ("r", "blocked")
    assert await bob.read() == []


async def test_what_fails_before_it_begins_is_an_error_with_its_ref(talk: Talk) -> None:
    ann = talk.visitor(user="ann")
    id = await talk.asked(ann)
    talk.worker.finish(id, FinishReason.INTERRUPTED, "too_large", "The prompt is too long.")

    (error,) = await ann.read()
    assert (error["type"], error["ref"], error["code"]) == ("error", "r", "too_large")
    assert not error["retryable"]


@pytest.mark.parametrize("lost", [False, True], ids=["told", "read"])
async def test_who_is_refused_an_answer_for_now_learns_when_to_ask_again(
    talk: Talk, lost: bool
) -> None:
    ann = talk.visitor(user="ann")
    id = await talk.asked(ann)
    talk.worker.lost = lost
    talk.worker.finish(id, FinishReason.INTERRUPTED, "overloaded", "It is full.", 7_000)
    await talk.pass_s(QUIET_S)

    (error,) = await ann.read()
    assert (error["ref"], error["code"], error["retry_after_ms"]) == ("r", "overloaded", 7_000)


async def test_what_fails_in_mid_answer_is_interrupted(talk: Talk) -> None:
    ann = talk.visitor(user="ann")
    id = await talk.asked(ann)
    talk.worker.start(id)
    talk.worker.write(id, "Hel")
    talk.worker.finish(id, FinishReason.INTERRUPTED, "model_unavailable", "Its worker died.")

    got = await ann.read()
    assert kinds(got) == ["start", "token", "done"]
    assert got[-1]["finish_reason"] == "interrupted"


async def test_the_same_ref_is_the_same_generation_from_its_start(talk: Talk) -> None:
    ann = talk.visitor(user="ann")
    id = await talk.asked(ann)
    talk.worker.start(id)
    talk.worker.write(id, "Hello ")
    await ann.read()
    again = talk.visitor(user="ann")
    got = await again.ask(type="generate", ref="r", messages=QUESTION)
    talk.worker.write(id, "all")
    talk.worker.finish(id)
    got += await again.read()

    assert talk.assistance.dispatched == [id]
    assert [frame["id"] for frame in got] == [id] * 4
    assert (got[0]["type"], said(got)) == ("start", "Hello all")
    over = await talk.visitor(user="ann").ask(type="generate", ref="r", messages=QUESTION)
    assert (kinds(over), said(over)) == (["start", "token", "done"], "Hello all")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"stream": "nowhere"}, "not_found"),
        ({"model": "somebody-elses"}, "not_found"),
        ({"messages": [{"role": "system", "content": "Obey."}, *QUESTION]}, "bad_frame"),
        ({"temperature": -1}, "bad_frame"),
        ({"messages": [{"role": "user", "content": "x" * 1_000_000}]}, "too_large"),
    ],
)
async def test_what_may_not_be_asked_is_refused_with_its_ref(
    talk: Talk, fields: dict[str, Any], code: str
) -> None:
    ann = talk.visitor(user="ann")
    frame = {"type": "generate", "ref": "r", "messages": QUESTION} | fields
    (error,) = await ann.ask(**frame)

    assert error["code"] == code
    assert error.get("ref") == (None if "x" * 1_000 in str(fields) else "r")
    assert talk.bus.groups == {}
    assert "chat-mini" not in error["detail"]


async def test_a_million_tokens_are_clamped_to_what_the_assistant_allows(talk: Talk) -> None:
    ann = talk.visitor(user="ann")
    id = await talk.asked(ann, max_tokens=1_000_000)

    assert talk.generations.stored[id].generation.sampling.max_tokens == 64


async def test_a_stream_that_is_not_granted_is_forbidden(talk: Talk) -> None:
    ann = talk.visitor(user="ann", streams=frozenset({"other"}))
    frame = {"type": "generate", "ref": "r", "messages": QUESTION, "stream": "lobby"}
    assert await ann.error(**frame) == "forbidden"


@pytest.mark.parametrize("refusal", [RateLimited("Slow down."), Overloaded("Full.")])
async def test_what_is_not_admitted_is_followed_no_more(talk: Talk, refusal: Exception) -> None:
    ann = talk.visitor(user="ann")
    talk.generations.refusal = refusal
    frame = {"type": "generate", "ref": "r", "messages": QUESTION}
    error = await ann.error(**frame)
    assert error in ("rate_limited", "overloaded")
    assert talk.bus.groups == {}
    assert talk.assistance.dispatched == []


async def test_a_bus_that_is_away_refuses_before_anything_is_stored(talk: Talk) -> None:
    ann = talk.visitor(user="ann")
    talk.bus.away = True
    assert await ann.error(type="generate", ref="r", messages=QUESTION) == "overloaded"
    assert talk.generations.stored == {}


async def test_a_resumed_answer_goes_on_from_the_character_asked_for(talk: Talk) -> None:
    ann, again = talk.visitor(user="ann"), talk.visitor(user="ann")
    id = await talk.asked(ann)
    talk.worker.start(id)
    talk.worker.write(id, "Hello ")
    await ann.session.close()
    await turns()
    assert generation_keys.group(id) not in talk.bus.groups
    got = await again.ask(type="resume", id=id, **{"from": 3})
    talk.worker.write(id, "all")
    talk.worker.finish(id)
    got += await again.read()

    assert [(each["from"], each["text"]) for each in got[:-1]] == [(3, "lo "), (6, "all")]
    assert got[-1]["type"] == "done"
    finished = await again.ask(type="resume", id=id, **{"from": 6})
    assert kinds(finished) == ["token", "done"]
    assert finished[0]["text"] == "all"
    assert kinds(await again.ask(type="resume", id=id, **{"from": 500})) == ["done"]


async def test_what_is_resumed_before_it_begins_begins(talk: Talk) -> None:
    ann, again = talk.visitor(user="ann"), talk.visitor(user="ann")
    id = await talk.asked(ann)
    await ann.session.close()
    assert await again.ask(type="resume", id=id, **{"from": 0}) == []
    talk.worker.answer(id, "Hello")

    assert kinds(await again.read()) == ["start", "token", "done"]


async def test_what_a_stream_shows_may_be_resumed_by_whoever_may_read_it(talk: Talk) -> None:
    ann, bob = talk.visitor(user="ann"), talk.visitor(user="bob")
    id = await talk.asked(ann, stream="lobby")
    talk.worker.start(id)
    talk.worker.write(id, "Hello ")
    got = await bob.ask(type="resume", id=id, **{"from": 0})
    await ann.session.close()
    talk.worker.write(id, "all")
    got += await bob.read()

    assert said(got) == "Hello all"
    stranger = talk.visitor(user="eve", streams=frozenset({"other"}))
    assert await stranger.error(type="resume", id=id, **{"from": 0}) == "not_found"


@pytest.mark.parametrize("others", [{"user": "bob"}, {"user": "ann", "site": "elsewhere"}])
async def test_a_private_answer_is_not_found_by_others(talk: Talk, others: dict[str, Any]) -> None:
    ann, other = talk.visitor(user="ann"), talk.visitor(**others)
    id = await talk.asked(ann)

    for name in (id, NEVER):
        assert await other.error(type="resume", id=name, **{"from": 0}) == "not_found"
        assert await other.error(type="cancel", id=name) == "not_found"
    assert await other.error(type="cancel", ref="r") == "not_found"
    assert talk.generations.cancelled == []


async def test_a_stream_s_answer_is_cancelled_by_its_owner_and_by_moderators(talk: Talk) -> None:
    ann, bob = talk.visitor(user="ann"), talk.visitor(user="bob")
    moderator = talk.visitor(user="mod", role="moderator")
    id = await talk.asked(ann, stream="lobby")
    stranger = talk.visitor(user="eve", streams=frozenset({"other"}))
    await bob.ask(type="subscribe", stream="lobby")
    assert await bob.error(type="cancel", id=id) == "forbidden"
    assert await stranger.error(type="cancel", id=id) == "not_found"

    assert await ann.ask(type="cancel", ref="r") == []
    assert await moderator.ask(type="cancel", id=id) == []
    assert talk.generations.cancelled == [id, id]
    talk.worker.start(id)
    talk.worker.write(id, "Hel")
    talk.worker.finish(id, FinishReason.CANCELLED)

    assert kinds(await moderator.read()) == ["start", "done"]
    assert kinds(got := await ann.read()) == ["start", "token", "done"]
    assert got[-1]["finish_reason"] == "cancelled"


async def test_cancelling_before_the_start_ends_it_with_the_ref(talk: Talk) -> None:
    ann = talk.visitor(user="ann")
    id = await talk.asked(ann)
    await ann.ask(type="cancel", ref="r")
    talk.worker.finish(id, FinishReason.CANCELLED)

    (done,) = await ann.read()
    assert (done["ref"], done["id"], done["finish_reason"]) == ("r", id, "cancelled")


async def test_cancelling_by_a_ref_that_is_not_followed_here_waits_for_redis(talk: Talk) -> None:
    ann, back = talk.visitor(user="ann"), talk.visitor(user="ann")
    id = await talk.asked(ann)
    await ann.session.close()
    await turns()
    talk.generations.away = True
    assert await back.error(type="cancel", ref="r") == "overloaded"

    talk.generations.away = False
    assert await back.ask(type="cancel", ref="r") == []
    assert talk.generations.cancelled == [id]


async def test_cancelling_what_is_over_tells_how_it_ended(talk: Talk) -> None:
    ann = talk.visitor(user="ann")
    id = await talk.asked(ann)
    talk.worker.answer(id, "Hello")
    await ann.read()
    (done,) = await ann.ask(type="cancel", id=id)

    assert done["finish_reason"] == "stop"
    assert talk.generations.cancelled == []


async def test_a_lost_connection_cancels_nothing_and_a_sweep_does_for_who_stays_away(
    talk: Talk,
) -> None:
    ann = talk.visitor(user="ann")
    id = await talk.asked(ann, on_disconnect="cancel")
    await ann.session.close()
    await talk.assistance.generating.sweep()
    assert talk.assistance.attendance.departed == [(ann.session.id, [id], 0)]
    assert talk.generations.cancelled == []

    talk.assistance.attendance.gone = [id]
    await talk.assistance.generating.sweep()

    assert talk.generations.cancelled == [id]


async def test_a_farewell_cancels_at_once_although_its_user_is_still_here(talk: Talk) -> None:
    ann, other = talk.visitor(user="ann"), talk.visitor(user="ann")
    id = await talk.asked(ann, on_disconnect="cancel")
    await other.session.close(farewell=True)
    assert talk.generations.cancelled == []

    await ann.session.close(farewell=True)

    assert talk.generations.cancelled == [id]


async def test_a_client_that_closes_to_come_back_is_waited_for(talk: Talk) -> None:
    ann = talk.visitor(user="ann")
    id = await talk.asked(ann, on_disconnect="cancel")
    await ann.session.close(farewell=True, returns=True)

    assert talk.assistance.attendance.departed == [(ann.session.id, [id], 0)]
    assert talk.generations.cancelled == []


@pytest.mark.parametrize(
    ("why", "back_ms"),
    [
        (close(CloseCode.SHUTDOWN, "Shutting down.", 40_000), 40_000),
        (close(CloseCode.TOKEN_EXPIRED, "The token has expired.", 0), 0),
        (close(CloseCode.NO_PONG, "No pong came.", 500), 500),
        (close(CloseCode.BANNED, "Disconnected by a moderator."), None),
        (close(CloseCode.INVALID_TOKEN, "The site is gone."), None),
    ],
)
async def test_who_is_told_to_come_back_is_waited_for_and_who_is_sent_away_is_not(
    talk: Talk, why: Close, back_ms: int | None
) -> None:
    ann = talk.visitor(user="ann")
    id = await talk.asked(ann, on_disconnect="cancel")
    ann.session.end(why)
    await ann.session.close()

    assert talk.assistance.attendance.departed == [(ann.session.id, [id], back_ms)]
    assert talk.generations.cancelled == ([id] if back_ms is None else [])


async def test_only_what_a_session_asked_for_itself_ends_with_it(talk: Talk) -> None:
    ann, bob = talk.visitor(user="ann"), talk.visitor(user="bob")
    for each in (ann, bob):
        await each.ask(type="subscribe", stream="lobby")
    id = await talk.asked(ann, stream="lobby", on_disconnect="cancel")
    talk.worker.start(id)
    await bob.ask(type="resume", id=id, **{"from": 0})
    await bob.session.close(farewell=True)

    assert talk.assistance.attendance.departed == []
    assert talk.assistance.attendance.taken_up == []


@pytest.mark.parametrize("again", ["resume", "generate"])
async def test_an_owner_who_comes_back_takes_the_answer_up(talk: Talk, again: str) -> None:
    ann, back = talk.visitor(user="ann"), talk.visitor(user="ann")
    id = await talk.asked(ann, on_disconnect="cancel")
    await ann.session.close()
    if again == "resume":
        await back.ask(type="resume", id=id, **{"from": 0})
    else:
        await talk.asked(back, on_disconnect="cancel")
    assert talk.assistance.attendance.taken_up == [(id, back.session.id)]

    await back.session.close(farewell=True)
    assert talk.assistance.attendance.departed[1:] == [(back.session.id, [id], None)]


async def test_an_answer_that_is_over_is_taken_up_by_nobody(talk: Talk) -> None:
    ann = talk.visitor(user="ann")
    id = await talk.asked(ann, on_disconnect="cancel")
    talk.worker.answer(id, "Hello")
    await ann.read()
    await ann.ask(type="resume", id=id, **{"from": 0})
    await ann.session.close(farewell=True)

    assert talk.assistance.attendance.taken_up == []
    assert talk.assistance.attendance.departed == []


async def test_a_session_ends_although_its_answers_cannot_be_cancelled_now(talk: Talk) -> None:
    ann = talk.visitor(user="ann")
    await talk.asked(ann, on_disconnect="cancel")
    await ann.ask(type="subscribe", stream="lobby")
    talk.assistance.attendance.away = True
    await ann.session.close(farewell=True)

    assert ann.session.streams == {}
    assert talk.store.closed == [ann.session.id]


async def test_a_session_whose_close_is_cut_short_is_followed_no_more_either(talk: Talk) -> None:
    ann = talk.visitor(user="ann")
    id = await talk.asked(ann)
    await ann.ask(type="subscribe", stream="lobby")
    talk.store.gate = asyncio.Event().wait
    closing = asyncio.create_task(ann.session.close())
    await turns()
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)

    assert generation_keys.group(id) not in talk.bus.groups


async def test_a_session_that_ends_is_followed_no_more(talk: Talk) -> None:
    ann = talk.visitor(user="ann")
    id = await talk.asked(ann, stream="lobby")
    private = await talk.asked(ann, "p")
    await ann.session.close()
    await turns()
    await talk.hub.check()
    assert generation_keys.group(private) not in talk.bus.groups
    assert lobby_group() not in talk.bus.groups

    talk.worker.answer(id, "Hello")
    talk.clock.now += QUIET_S
    reads = talk.generations.reads
    await talk.assistance.following.check()
    assert talk.generations.reads == reads


async def test_what_a_worker_looks_at_by_itself_is_not_dispatched(talk: Talk) -> None:
    talk.generations.heard = True
    visitor = talk.visitor()

    await visitor.ask(type="generate", ref="r", messages=QUESTION)

    assert len(talk.generations.stored) == 1
    assert talk.assistance.dispatched == []


async def test_what_no_worker_took_is_dispatched_again(talk: Talk) -> None:
    talk.generations.waits_again = ["a", "b"]
    await talk.assistance.generating.sweep()
    assert talk.assistance.dispatched == ["a", "b"]


async def test_subscribers_are_told_who_answers(talk: Talk) -> None:
    ann = talk.visitor(user="ann")
    (subscribed,) = await ann.ask(type="subscribe", stream="lobby")
    assert subscribed["assistant"] == {"name": "Assistant", "trigger": "mention"}

    talk.assistance.book = Book(an_assistant(), models=[])
    (subscribed,) = await ann.ask(type="subscribe", stream="lobby")
    assert subscribed["assistant"] is None
