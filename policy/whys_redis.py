"""Which messages wait for their words to be named: a Redis Stream that workers share.

A question stays until its answer is stored. One that waits too long is dropped: naming words is
work for idle moments, and a worker that never has one is too busy to explain itself.
"""

import json
from collections.abc import Iterable
from dataclasses import astuple
from typing import Any, cast

import redis

from inference.attribution import Target
from policy.keys import UNEXPLAINED, UNEXPLAINED_GROUP
from policy.whys import Question

MAX_WAITING = 1_000
MAX_AGE_MS = 300_000
ADOPT_AFTER_MS = 60_000
"""A question that another worker took and did not answer in this time is taken over."""

Entries = list[tuple[str, dict[str, str]]]


class Questions:
    """The waiting questions; every method raises redis.RedisError while Redis is away."""

    def __init__(self, client: redis.Redis, name: str) -> None:
        self._client = client
        self._name = name

    def ask(self, questions: Iterable[Question]) -> int:
        """Puts questions into the line, as long as it has room; returns how many had none."""
        asked = list(questions)
        if not asked:
            return 0
        room = max(0, MAX_WAITING - self._client.xlen(UNEXPLAINED))
        pipeline = self._client.pipeline(transaction=False)
        for each in asked[:room]:
            body = json.dumps([astuple(target) for target in each.targets])
            pipeline.xadd(UNEXPLAINED, {"id": each.id, "targets": body})
        pipeline.execute()
        return len(asked[room:])

    def take(self, block_ms: int) -> tuple[str, Question] | None:
        """The next question and its place in the line, or None if none came in time."""
        try:
            found = self._adopted() or self._fresh(block_ms)
        except redis.ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            self._client.xgroup_create(UNEXPLAINED, UNEXPLAINED_GROUP, id="0", mkstream=True)
            found = self._fresh(block_ms)
        for place, fields in found:
            targets = tuple(Target(*each) for each in json.loads(fields["targets"]))
            return place, Question(fields["id"], targets)
        return None

    def is_late(self, place: str) -> bool:
        """Whether a question waited so long that nobody needs its answer."""
        seconds, _ = self._client.time()
        return seconds * 1000 - int(place.partition("-")[0]) > MAX_AGE_MS

    def done(self, place: str) -> None:
        """Takes a question out of the line."""
        pipeline = self._client.pipeline()
        pipeline.xack(UNEXPLAINED, UNEXPLAINED_GROUP, place)
        pipeline.xdel(UNEXPLAINED, place)
        pipeline.execute()

    def _adopted(self) -> Entries:
        found = self._client.xautoclaim(
            UNEXPLAINED, UNEXPLAINED_GROUP, self._name, min_idle_time=ADOPT_AFTER_MS, count=1
        )
        return cast(Entries, found[1])

    def _fresh(self, block_ms: int) -> Entries:
        found: Any = self._client.xreadgroup(
            UNEXPLAINED_GROUP, self._name, {UNEXPLAINED: ">"}, count=1, block=block_ms
        )
        return cast(Entries, found[0][1] if found else [])
