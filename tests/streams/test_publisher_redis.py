"""Decision, offset, history and fan-out in one step."""

import json
from typing import Any, cast

import msgpack
import pytest
import redis

from policy import keys as policy_keys
from policy.messages import Author, Message, Verdict
from policy.policy import Action
from streams import keys
from streams.publisher_redis import RedisPublisher
from tests.builders import a_message, a_verdict

Event = dict[str, Any]


@pytest.fixture
def publisher(valkey: redis.Redis) -> RedisPublisher:
    return RedisPublisher(valkey, lambda site, stream: (5, 600))


def stored(valkey: redis.Redis, **changes: Any) -> Message:
    message = a_message(**changes)
    body = json.dumps(message.as_json())
    valkey.hset(policy_keys.message(message.id), mapping={"body": body})
    valkey.zadd(policy_keys.PENDING, {message.id: 1})
    valkey.zadd(policy_keys.DEADLINES, {message.id: 1})
    return message


class Listener:
    """Hears what the channel layer's groups would hear."""

    def __init__(self, url: str, *groups: str) -> None:
        self._pubsub = redis.Redis.from_url(url).pubsub(  # type: ignore[no-untyped-call]
            ignore_subscribe_messages=True
        )
        self._pubsub.subscribe(*[f"rtai__group__{group}" for group in groups])
        for _ in groups:
            self._pubsub.get_message(timeout=2)

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *_: object) -> None:
        self._pubsub.close()

    def hear(self) -> Event | None:
        found = self._pubsub.get_message(timeout=0.2)
        return cast(Event, msgpack.unpackb(found["data"])) if found else None


def history(valkey: redis.Redis) -> list[Event]:
    rows = cast(list[str], valkey.zrange(keys.history("demo", "lobby"), 0, -1))
    return [json.loads(row.partition("|")[2].split("\n")[0]) for row in rows]


def publish(publisher: RedisPublisher, *verdicts: Verdict) -> list[bool]:
    return publisher.publish(verdicts)


def test_an_allowed_message_goes_to_its_stream_with_the_next_offset(
    publisher: RedisPublisher, valkey: redis.Redis, url: str
) -> None:
    first, second = stored(valkey, text='Grüße "👋"'), stored(valkey)
    with Listener(url, keys.stream_group("demo", "lobby")) as listener:
        assert publish(publisher, a_verdict(message=first), a_verdict(message=second)) == [
            True,
            True,
        ]
        one, two = listener.hear(), listener.hear()

    assert one is not None
    assert two is not None
    frame = json.loads(one["frame"])
    assert (one["offset"], two["offset"]) == (1, 2)
    assert one["epoch"] == two["epoch"] == frame["epoch"]
    assert frame["type"] == "message"
    assert frame["text"] == 'Grüße "👋"'
    assert frame["author"] == {"id": "user-1", "name": "Ada", "kind": "user"}
    assert "scores" not in frame
    assert json.loads(one["moderator_frame"])["scores"]["moderation"]["threat"] == 0.0
    assert [each["offset"] for each in history(valkey)] == [1, 2]


@pytest.mark.parametrize("action", [Action.BLOCK, Action.HOLD])
def test_a_blocked_or_held_message_reaches_its_author_only(
    publisher: RedisPublisher, valkey: redis.Redis, url: str, action: Action
) -> None:
    message = stored(valkey)
    groups = keys.stream_group("demo", "lobby"), keys.site_group("demo")
    with Listener(url, *groups) as listener:
        publish(publisher, a_verdict(action, message=message))
        event, more = listener.hear(), listener.hear()

    assert more is None
    assert event is not None
    assert event["type"] == "user.frame"
    assert event["user"] == "user-1"
    frame = json.loads(event["frame"])
    assert frame["action"] == action
    assert frame["reasons"] == [{"rule": "threats"}]
    assert "scores" not in frame
    assert json.loads(event["moderator_frame"])["reasons"][0]["score"] == 0.97
    assert history(valkey) == []


@pytest.mark.parametrize("retention", [(0, 600), (5, 0), (0, 0)])
def test_a_stream_that_keeps_nothing_still_publishes_and_records(
    valkey: redis.Redis, url: str, retention: tuple[int, int]
) -> None:
    publisher = RedisPublisher(valkey, lambda site, stream: retention)
    message = stored(valkey)
    with Listener(url, keys.stream_group("demo", "lobby")) as listener:
        assert publish(publisher, a_verdict(message=message)) == [True]
        event = listener.hear()

    assert event is not None
    assert (event["offset"], json.loads(event["frame"])["id"]) == (1, message.id)
    assert valkey.hexists(keys.mailbox("demo", "user-1"), message.id)
    assert valkey.xlen(policy_keys.OUTBOX) == 1


def test_a_flag_is_an_allow_to_its_author(publisher: RedisPublisher, valkey: redis.Redis) -> None:
    message = stored(valkey)
    publish(publisher, a_verdict(Action.FLAG, message=message))

    mail = json.loads(cast(str, valkey.hget(keys.mailbox("demo", "user-1"), message.id)))

    assert json.loads(mail["frame"])["action"] == "allow"
    assert json.loads(mail["frame"])["reasons"] == []
    assert json.loads(mail["moderator_frame"])["action"] == "flag"
    assert len(history(valkey)) == 1


def test_a_message_is_decided_once(publisher: RedisPublisher, valkey: redis.Redis) -> None:
    message = stored(valkey)

    assert publish(publisher, a_verdict(Action.HOLD, message=message)) == [True]
    assert publish(publisher, a_verdict(Action.ALLOW, message=message)) == [False]
    assert history(valkey) == []
    assert valkey.xlen(policy_keys.OUTBOX) == 1


def test_a_message_that_is_not_stored_is_not_published(
    publisher: RedisPublisher, valkey: redis.Redis
) -> None:
    assert publish(publisher, a_verdict()) == [False]
    assert history(valkey) == []


def test_a_decided_message_is_pending_no_more(
    publisher: RedisPublisher, valkey: redis.Redis
) -> None:
    message = stored(valkey)
    publish(publisher, a_verdict(message=message))

    assert valkey.zcard(policy_keys.PENDING) == 0
    assert valkey.zcard(policy_keys.DEADLINES) == 0
    assert 0 < valkey.pttl(policy_keys.message(message.id)) <= 600_000


def test_the_work_of_a_decided_message_waits_no_more_and_is_taken_off_once(
    publisher: RedisPublisher, valkey: redis.Redis
) -> None:
    message = stored(valkey)
    valkey.hset(policy_keys.message(message.id), "work", 40)
    valkey.hset(policy_keys.LOAD, "pending", 100)
    for _ in range(2):
        publish(publisher, a_verdict(message=message))
    publisher.overrule(a_verdict(Action.BLOCK, message=message))

    assert valkey.hget(policy_keys.LOAD, "pending") == "60"


@pytest.mark.parametrize("nonsense", ["", "many", "nan"])
def test_work_that_is_no_number_stops_no_verdict(
    publisher: RedisPublisher, valkey: redis.Redis, nonsense: str
) -> None:
    message = stored(valkey)
    valkey.hset(policy_keys.message(message.id), "work", nonsense)
    valkey.hset(policy_keys.LOAD, "pending", nonsense)

    assert publish(publisher, a_verdict(message=message)) == [True]


def test_history_keeps_as_many_frames_as_its_stream_says(
    publisher: RedisPublisher, valkey: redis.Redis
) -> None:
    for _ in range(8):
        publish(publisher, a_verdict(message=stored(valkey)))

    assert [each["offset"] for each in history(valkey)] == [4, 5, 6, 7, 8]
    assert valkey.zcard(keys.history_index("demo", "lobby")) == 5


def test_history_drops_frames_that_are_too_old(
    publisher: RedisPublisher, valkey: redis.Redis
) -> None:
    publish(publisher, a_verdict(message=stored(valkey)))
    key = keys.history("demo", "lobby")
    ((member, score),) = cast(list[tuple[str, float]], valkey.zrange(key, 0, -1, withscores=True))
    valkey.zrem(key, member)
    valkey.zadd(key, {"1000|" + member.partition("|")[2]: score})

    publish(publisher, a_verdict(message=stored(valkey)))

    assert [each["offset"] for each in history(valkey)] == [2]


def test_a_lost_position_starts_a_new_epoch_with_an_empty_history(
    publisher: RedisPublisher, valkey: redis.Redis
) -> None:
    publish(publisher, a_verdict(message=stored(valkey)))
    before = history(valkey)[0]["epoch"]
    valkey.delete(keys.position("demo", "lobby"))

    publish(publisher, a_verdict(message=stored(valkey)))

    (frame,) = history(valkey)
    assert frame["offset"] == 1
    assert frame["epoch"] != before


def test_a_person_may_approve_a_held_message_later(
    publisher: RedisPublisher, valkey: redis.Redis, url: str
) -> None:
    message = stored(valkey)
    publish(publisher, a_verdict(Action.HOLD, message=message))
    with Listener(url, keys.site_group("demo")) as listener:
        publisher.overrule(a_verdict(Action.ALLOW, message=message, by="moderator"))
        event = listener.hear()

    assert event is not None
    assert json.loads(event["frame"])["by"] == "moderator"
    (frame,) = history(valkey)
    assert frame["id"] == message.id
    assert frame["sent_at"] == "2027-01-15T08:00:00.012Z"


def test_a_person_may_block_what_was_published(
    publisher: RedisPublisher, valkey: redis.Redis, url: str
) -> None:
    message = stored(valkey, text="A secret.")
    publish(publisher, a_verdict(message=message))
    with Listener(url, keys.stream_group("demo", "lobby")) as listener:
        publisher.overrule(a_verdict(Action.BLOCK, message=message, by="moderator"))
        event = listener.hear()

    assert event is not None
    removed = json.loads(event["frame"])
    assert (removed["type"], removed["id"], removed["by"]) == ("removed", message.id, "moderator")
    assert removed["offset"] == 2
    assert "A secret." not in str(valkey.zrange(keys.history("demo", "lobby"), 0, -1))


def test_the_session_learns_its_last_verdict_while_it_lives(
    publisher: RedisPublisher, valkey: redis.Redis
) -> None:
    valkey.hset(keys.session("session-1"), "site", "demo")
    publish(publisher, a_verdict(Action.BLOCK, message=stored(valkey)))
    other = stored(valkey, session="gone", author=Author("user-2", "Bo"))
    publish(publisher, a_verdict(message=other))

    assert valkey.hget(keys.session("session-1"), "last_verdict") == "block"
    assert not valkey.exists(keys.session("gone"))


def test_gateways_hear_of_probes(publisher: RedisPublisher, valkey: redis.Redis, url: str) -> None:
    with Listener(url, keys.gateway_group("g1")) as listener:
        publisher.probe_done("g1", "p", ok=False, detail="no model")

        assert listener.hear() == {
            "type": "probe.done",
            "probe": "p",
            "ok": False,
            "detail": "no model",
        }


def an_answer(text: str = "I am fine.") -> Message:
    return a_message(author=Author("assistant", "Helper", "assistant"), session="", text=text)


def test_an_assistant_speaks_once_without_admission(
    publisher: RedisPublisher, valkey: redis.Redis, url: str
) -> None:
    message = an_answer()
    groups = keys.stream_group("demo", "lobby"), keys.site_group("demo")
    with Listener(url, *groups) as listener:
        assert publisher.speak(a_verdict(message=message), shown=True)
        assert not publisher.speak(a_verdict(message=message), shown=True)
        event, more = listener.hear(), listener.hear()

    assert event is not None
    assert more is None
    frame = json.loads(event["frame"])
    assert (frame["type"], frame["offset"], frame["id"]) == ("message", 1, message.id)
    assert frame["author"] == {"id": "assistant", "name": "Helper", "kind": "assistant"}
    assert 0 < valkey.pttl(policy_keys.message(message.id)) <= 600_000
    assert not valkey.exists(keys.mailbox("demo", "assistant"))
    assert valkey.xlen(policy_keys.OUTBOX) == 1


@pytest.mark.parametrize("action", [Action.HOLD, Action.BLOCK])
def test_what_was_shown_of_an_answer_is_taken_back_in_its_stream(
    publisher: RedisPublisher, valkey: redis.Redis, action: Action
) -> None:
    message = an_answer("A secret.")

    assert publisher.speak(a_verdict(action, message=message), shown=True)
    assert not publisher.speak(a_verdict(action, message=message), shown=True)

    (frame,) = history(valkey)
    assert (frame["type"], frame["id"], frame["by"]) == ("removed", message.id, "policy")
    assert frame["offset"] == 1
    assert valkey.xlen(policy_keys.OUTBOX) == 1
    assert "A secret." not in str(valkey.zrange(keys.history("demo", "lobby"), 0, -1))


def test_an_answer_that_nobody_saw_needs_no_removal(
    publisher: RedisPublisher, valkey: redis.Redis
) -> None:
    assert publisher.speak(a_verdict(Action.BLOCK, message=an_answer()), shown=False)

    assert history(valkey) == []


def test_a_held_answer_that_is_approved_comes_after_its_removal(
    publisher: RedisPublisher, valkey: redis.Redis
) -> None:
    message = an_answer()
    publisher.speak(a_verdict(Action.HOLD, message=message), shown=True)

    publisher.overrule(a_verdict(Action.ALLOW, message=message, by="moderator"))

    assert [each["type"] for each in history(valkey)] == ["removed", "message"]
