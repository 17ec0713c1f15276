import json

import pytest
import redis

from inference.errors import Overloaded
from policy.policy import Action
from streams import keys
from streams.directory import StreamInfo
from streams.frames import Position
from streams.history import missed
from streams.history_redis import RedisHistory
from streams.publisher_redis import RedisPublisher
from tests.builders import a_message, a_verdict

LOBBY = StreamInfo("demo", "lobby", 10_000, 2_000, 600, None)


def publish(valkey: redis.Redis, *ids: str, frames: int = 2_000, text: str = "hello") -> None:
    publisher = RedisPublisher(valkey, lambda site, stream: (frames, 600))
    for id in ids:
        message = a_message(id=id, ref=id, text=text)
        valkey.hset(f"rtai:message:{id}", "body", "{}")
        publisher.publish([a_verdict(Action.ALLOW, message=message)])


async def test_a_stream_without_frames_is_given_a_lasting_epoch(
    url: str, valkey: redis.Redis
) -> None:
    history = RedisHistory(url)
    first = await history.recent(LOBBY, 10)
    second = await history.recent(LOBBY, 10)

    assert first.position.offset == 0
    assert first.position.epoch
    assert first == second


async def test_published_frames_are_read_with_their_position(url: str, valkey: redis.Redis) -> None:
    history = RedisHistory(url)
    epoch = (await history.recent(LOBBY, 0)).position.epoch
    publish(valkey, "a", "b", "c")
    read = await history.since(LOBBY, 1)

    assert read.position == Position(epoch, 3)
    assert [each.offset for each in read.frames] == [2, 3]
    assert f'"epoch":"{epoch}","offset":2' in read.frames[0].frame
    assert missed(read, Position(epoch, 1)) == read.frames


async def test_recent_reads_the_last_frames(url: str, valkey: redis.Redis) -> None:
    publish(valkey, "a", "b", "c")
    history = RedisHistory(url)

    assert [each.offset for each in (await history.recent(LOBBY, 2)).frames] == [2, 3]
    assert (await history.recent(LOBBY, 0)).frames == ()


async def test_trimmed_frames_make_recovery_impossible(url: str, valkey: redis.Redis) -> None:
    publish(valkey, "a", "b", "c", "d", frames=2)
    read = await RedisHistory(url).since(LOBBY, 1)

    assert missed(read, Position(read.position.epoch, 1)) is None
    assert missed(read, Position(read.position.epoch, 2)) is not None


async def test_frames_that_are_too_old_are_not_returned(url: str, valkey: redis.Redis) -> None:
    publish(valkey, "a", "b")
    key = keys.history("demo", "lobby")
    old = str(valkey.zrange(key, 0, 0)[0])
    valkey.zrem(key, old)
    valkey.zadd(key, {"1000|" + old.partition("|")[2]: 1})
    read = await RedisHistory(url).since(LOBBY, 0)

    assert [each.offset for each in read.frames] == [2]
    assert missed(read, Position(read.position.epoch, 0)) is None


async def test_a_moderators_variant_may_stand_on_a_line_of_its_own(
    url: str, valkey: redis.Redis
) -> None:
    seconds, _ = valkey.time()
    valkey.hset(keys.position("demo", "lobby"), mapping={"epoch": "e", "offset": 1})
    valkey.zadd(keys.history("demo", "lobby"), {f"{seconds}000|public\nfull": 1})
    (found,) = (await RedisHistory(url).since(LOBBY, 0)).frames

    assert (found.seen_by(moderator=False), found.seen_by(moderator=True)) == ("public", "full")


async def test_positions_come_in_one_round_trip(url: str, valkey: redis.Redis) -> None:
    publish(valkey, "a", "b")
    here, nowhere = await RedisHistory(url).positions([("demo", "lobby"), ("demo", "nowhere")])

    assert here is not None
    assert here.offset == 2
    assert nowhere is None


async def test_a_new_epoch_is_given_once(url: str, valkey: redis.Redis) -> None:
    history = RedisHistory(url)
    before = (await history.recent(LOBBY, 0)).position.epoch
    await history.restart(LOBBY, before)
    after = (await history.recent(LOBBY, 0)).position.epoch
    await history.restart(LOBBY, before)

    assert before != after
    assert (await history.recent(LOBBY, 0)).position.epoch == after


@pytest.mark.parametrize("count", [1, 3, 250])
async def test_after_a_restart_every_frame_that_is_left_has_the_new_epoch(
    url: str, valkey: redis.Redis, count: int
) -> None:
    publish(valkey, *(str(number) for number in range(count + 1)))
    key, history = keys.history("demo", "lobby"), RedisHistory(url)
    before = (await history.recent(LOBBY, 0)).position.epoch
    valkey.zremrangebyscore(key, count + 1, count + 1)
    valkey.hset(keys.position("demo", "lobby"), "offset", str(count))
    await history.restart(LOBBY, before)
    read = await history.recent(LOBBY, 300)

    assert read.position.epoch != before
    told = [
        (frame["epoch"], frame["offset"], "scores" in frame)
        for each in read.frames
        for frame in (json.loads(each.frame), json.loads(each.moderator_frame))
    ]
    expected = [(at, full) for at in range(1, count + 1) for full in (False, True)]
    assert told == [(read.position.epoch, *each) for each in expected]
    assert 0 < valkey.pttl(key) <= 600_000


async def test_a_restart_leaves_texts_as_they_are(url: str, valkey: redis.Redis) -> None:
    text = 'It says "epoch":"old","offset":7 there.'
    publish(valkey, "a", text=text)
    history = RedisHistory(url)
    await history.restart(LOBBY, (await history.recent(LOBBY, 0)).position.epoch)
    (found,) = (await history.recent(LOBBY, 1)).frames

    assert json.loads(found.frame)["text"] == text


async def test_a_redis_that_is_away_is_told() -> None:
    with pytest.raises(Overloaded):
        await RedisHistory("unix:///nowhere/valkey.sock").recent(LOBBY, 0)
