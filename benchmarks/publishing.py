"""Publishes messages at a fixed rate through the product's own script, without judging them.

Runs as a process of its own: `python -m benchmarks.publishing URL RATE COUNT START SIZE`, where
START is the time of the first one by `time.perf_counter()`, which all processes share.
"""

import subprocess
import sys
import time

import redis

from benchmarks.products import SITE, STREAM
from inference.types import Scores
from policy import keys as policy_keys
from policy.messages import Author, Message, Verdict, new_id
from policy.policy import Action, Decision
from streams.publisher_redis import RedisPublisher
from tests.product import ROOT

RETENTION = (2_000, 600)
SENT = "t"
"""A text begins so, with the intended time of sending in microseconds after it."""


def verdict(text: str) -> Verdict:
    """A message that is allowed."""
    now_ms = time.time_ns() // 1_000_000
    author = Author("writer", "Writer")
    id = new_id(now_ms)
    message = Message(id, SITE, STREAM, author, "none", id, text, now_ms, now_ms + 5_000)
    return Verdict(message, Decision(Action.ALLOW, (), "default@1"), Scores({}, {}), now_ms)


class Publishing:
    """A publisher for one installation."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url, decode_responses=True)
        self._publisher = RedisPublisher(self._client, lambda *_: RETENTION)

    def publish(self, text: str) -> None:
        """Stores a message as admission does, and publishes its verdict."""
        found = verdict(text)
        self._client.hset(policy_keys.message(found.message.id), "session", "none")
        self._publisher.publish([found])


def at_rate(publishing: Publishing, per_s: float, count: int, start: float, size: int) -> None:
    """Publishes `count` texts of `size` characters, each at its time or as soon after as can be."""
    for number in range(count):
        intended = start + number / per_s
        time.sleep(max(0.0, intended - time.perf_counter()))
        publishing.publish(f"{SENT}{int(intended * 1e6)} ".ljust(size, "x"))


def process(
    url: str, per_s: float, count: int, start: float, size: int = 120
) -> "subprocess.Popen[bytes]":
    """The same in a process of its own."""
    arguments = [url, str(per_s), str(count), str(start), str(size)]
    command = [sys.executable, "-m", "benchmarks.publishing", *arguments]
    return subprocess.Popen(command, cwd=ROOT)


def main() -> None:
    """Publishes what the command line asks for."""
    url, per_s, count, start, size = sys.argv[1:]
    at_rate(Publishing(url), float(per_s), int(count), float(start), int(size))


if __name__ == "__main__":
    main()
