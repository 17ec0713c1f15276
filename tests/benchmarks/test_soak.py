"""The checker reads all that a stream ever held, from before its first frame on."""

import redis

from benchmarks.products import SITE, STREAM
from benchmarks.soak import Follower
from policy.policy import Action
from streams import keys
from streams.publisher_redis import RedisPublisher
from tests.builders import a_message, a_verdict


def publish(valkey: redis.Redis, id: str) -> None:
    message = a_message(id=id, ref=id, site=SITE, stream=STREAM)
    valkey.hset(f"rtai:message:{id}", "body", "{}")
    publisher = RedisPublisher(valkey, lambda site, stream: (2, 600))
    publisher.publish([a_verdict(Action.ALLOW, message=message)])


def test_a_stream_that_has_only_an_epoch_is_read_on(url: str, valkey: redis.Redis) -> None:
    valkey.hset(keys.position(SITE, STREAM), "epoch", "first")
    follower = Follower(url)
    follower.read()
    assert follower.history.position is None

    for id in "abcd":
        publish(valkey, id)
        follower.read()

    assert follower.history.position == ("first", 4)
    assert list(follower.history.ids.values()) == ["a", "b", "c", "d"]
