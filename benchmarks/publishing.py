"""Publishes messages at a fixed rate through the product's own script, without judging them.

Runs as a process of its own: `python -m benchmarks.publishing URL RATE COUNT START SIZE`, where
START is the time of the first one by `time.perf_counter()`, which all processes share.
"""

import subprocess
import sys
import time

import redis

from benchmarks.pacing import at_rate
from benchmarks.products import SITE, STREAM
from inference.types import Scores
from policy import keys as policy_keys
from policy.messages import Author, Message, Verdict, new_id
from policy.policy import Action, Decision
from streams.publisher_redis import RedisPublisher
from tests.product import ROOT

RETENTION = (2_000, 600)


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


def command(url: str) -> list[str]:
    """The command line of a process that publishes; RATE, COUNT, START and SIZE go after it."""
    return [sys.executable, "-m", "benchmarks.publishing", url]


def process(
    url: str, per_s: float, count: int, start: float, size: int = 120
) -> "subprocess.Popen[bytes]":
    """Publishes at a rate in a process of its own."""
    arguments = [str(per_s), str(count), str(start), str(size)]
    return subprocess.Popen([*command(url), *arguments], cwd=ROOT)


def main() -> None:
    """Publishes what the command line asks for."""
    url, per_s, count, start, size = sys.argv[1:]
    at_rate(Publishing(url), float(per_s), int(count), float(start), int(size))


if __name__ == "__main__":
    main()
