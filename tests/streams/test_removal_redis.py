import json

import pytest
import redis

from inference.errors import Forbidden, NotFound
from policy.messages import Author
from policy.policy import Action
from streams import keys
from streams.frames import Position
from streams.history import missed
from streams.history_redis import RedisHistory
from streams.publisher_redis import RedisPublisher
from streams.removal_redis import RedisRemoval
from tests.builders import a_message, a_verdict
from tests.streams.people import a_client
from tests.streams.test_history_redis import LOBBY

SECRET = "what nobody should read again"


def publish(valkey: redis.Redis, id: str, text: str) -> None:
    valkey.hset(f"rtai:message:{id}", "body", "{}")
    publisher = RedisPublisher(valkey, lambda site, stream: (2_000, 600))
    message = a_message(id=id, ref=id, text=text)
    publisher.publish([a_verdict(Action.ALLOW, message=message)])


async def test_the_author_removes_and_history_forgets(url: str, valkey: redis.Redis) -> None:
    publish(valkey, "a", "before")
    publish(valkey, "b", SECRET)
    publish(valkey, "c", "after")
    await RedisRemoval(url).remove(a_client(user="user-1"), "lobby", "b")
    read = await RedisHistory(url).since(LOBBY, 0)
    frames = [json.loads(each.frame) for each in read.frames]

    assert [(frame["type"], frame["offset"]) for frame in frames] == [
        ("message", 1), ("removed", 2), ("message", 3), ("removed", 4),
    ]  # fmt: skip
    assert frames[3] == {
        "type": "removed", "stream": "lobby", "epoch": read.position.epoch, "offset": 4,
        "id": "b", "by": "author",
    }  # fmt: skip
    assert SECRET not in str(read)
    assert missed(read, Position(read.position.epoch, 0)) is not None
    kept = valkey.zrange(keys.history("demo", "lobby"), 0, -1)
    assert not any(SECRET in member for member in kept)


async def test_a_history_whose_only_message_is_removed_still_ends_in_time(
    url: str, valkey: redis.Redis
) -> None:
    publish(valkey, "a", SECRET)
    key = keys.history("demo", "lobby")
    before_ms = valkey.pttl(key)
    await RedisRemoval(url).remove(a_client(user="user-1"), "lobby", "a")
    read = await RedisHistory(url).since(LOBBY, 0)

    assert 0 < valkey.pttl(key) <= before_ms
    assert [each.offset for each in read.frames] == [1, 2]
    assert SECRET not in str(read)
    assert missed(read, Position(read.position.epoch, 0)) == read.frames


async def test_everyone_in_the_stream_is_told(url: str, valkey: redis.Redis) -> None:
    publish(valkey, "a", SECRET)
    binary = redis.Redis.from_url(url)
    listener = binary.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    listener.subscribe(f"rtai__group__{keys.stream_group('demo', 'lobby')}")
    listener.get_message(timeout=1)
    await RedisRemoval(url).remove(a_client(user="mod", role="moderator"), "lobby", "a")
    told = listener.get_message(timeout=5)
    listener.close()
    binary.close()

    assert told is not None
    assert '"by":"moderator"' in str(told["data"])
    assert SECRET not in str(told["data"])


async def test_strangers_may_not_and_what_is_gone_is_not_found(
    url: str, valkey: redis.Redis
) -> None:
    publish(valkey, "a", "text")
    removal = RedisRemoval(url)
    with pytest.raises(Forbidden):
        await removal.remove(a_client(user="stranger"), "lobby", "a")
    with pytest.raises(NotFound):
        await removal.remove(a_client(user="user-1"), "lobby", "nothing")
    with pytest.raises(NotFound):
        await removal.remove(a_client(user="user-1"), "other", "a")

    await removal.remove(a_client(user="user-1"), "lobby", "a")
    with pytest.raises(NotFound):
        await removal.remove(a_client(user="user-1"), "lobby", "a")


@pytest.mark.parametrize(
    "author", [Author("assistant", "Helper", "assistant"), Author("service:k", "Shop", "service")]
)
async def test_a_user_who_is_named_like_an_assistant_or_program_may_not_remove_its_message(
    url: str, valkey: redis.Redis, author: Author
) -> None:
    publisher = RedisPublisher(valkey, lambda site, stream: (2_000, 600))
    publisher.speak(a_verdict(message=a_message(id="a", author=author)), shown=False)
    removal = RedisRemoval(url)

    with pytest.raises(Forbidden):
        await removal.remove(a_client(user=author.id), "lobby", "a")
    await removal.remove(a_client(user="mod", role="moderator"), "lobby", "a")

    with pytest.raises(NotFound):
        await removal.remove(a_client(user="mod", role="moderator"), "lobby", "a")
