"""Chat for minutes while processes are killed at random moments, and a checker that misses nothing.

The gateway, the worker and Valkey get kill -9, and clients lose their connections. The checker
follows the server's history from outside, holds every client's view against it
(`tests.faults.views`) and every author's messages against their verdicts. The moments come from a
seed.

    python -m benchmarks.soak [--minutes 10] [--seed 1] [--rate 50] [--server daphne]
"""

import argparse
import asyncio
import contextlib
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import cast

import psutil
import redis

from benchmarks import report
from benchmarks.products import SITE, STREAM, redis_url, started
from streams import keys
from tests.chatter import Chatter, chat_steadily
from tests.faults.views import Fault, History, Kind, against, judged
from tests.product import Product

AUTHORS, READERS = 2, 3
VICTIMS = {"gateway": "rtai_project.server_", "worker": "-Q judge", "valkey": "valkey-server"}
CONNECTION = "connection"
LEAST_GAP_S, MOST_GAP_S = 1.0, 20.0
CALM = 0.15
"""The share of the time at the end in which nothing is killed any more."""
REPLACED_S, SETTLED_S = 60, 45


@dataclass
class Outcome:
    """What happened in one run, and all that was wrong."""

    sent: int = 0
    killed: Counter[str] = field(default_factory=Counter)
    told: int = 0
    faults: list[Fault] = field(default_factory=list)

    def count(self, *kinds: Kind) -> int:
        """Frames and messages that such faults concern."""
        return sum(fault.count for fault in self.faults if fault.kind in kinds)


class Follower:
    """Reads the stream's history from Redis before it is trimmed, and goes on over failures."""

    def __init__(self, url: str) -> None:
        self.history = History()
        self._client = redis.Redis.from_url(url, decode_responses=True, socket_timeout=5)

    async def follow(self) -> None:
        """Until it is cancelled."""
        while True:
            with contextlib.suppress(redis.RedisError, OSError):
                await asyncio.to_thread(self.read)
            await asyncio.sleep(0.5)

    def read(self) -> None:
        """Takes what is new; raises redis.RedisError while Redis is away."""
        pipeline = self._client.pipeline()
        pipeline.hgetall(keys.position(SITE, STREAM))
        pipeline.zrangebyscore(keys.history(SITE, STREAM), self._next(), "+inf", withscores=True)
        position, found = pipeline.execute()
        for member, offset in found:
            frame = _first_frame(member)
            self.history.add((frame["epoch"], int(offset)), frame["id"])
        if "offset" in position:  # Before the first frame there is an epoch only.
            self.history.position = position["epoch"], int(position["offset"])

    def _next(self) -> str:
        # A few are read again: in a new epoch, offsets begin anew.
        return "-inf" if self.history.position is None else f"({self.history.position[1] - 500}"


def _first_frame(member: str) -> dict[str, str]:
    return cast(dict[str, str], json.loads(member.partition("|")[2].partition("\n")[0]))


class Chaos:
    """Breaks one thing after the other, in an order and at moments that the seed decides."""

    def __init__(self, product: Product, chatters: list[Chatter], seed: int) -> None:
        self._product, self._chatters = product, chatters
        self._dice = random.Random(seed)  # noqa: S311 - the same moments in every run
        self.killed = Counter[str]()

    async def reign(self, seconds: float) -> None:
        """Breaks things for so long, each kind once at least; gaps are short in a short run."""
        end = time.monotonic() + seconds
        most = max(LEAST_GAP_S, min(MOST_GAP_S, seconds / 6))
        for number, what in enumerate(self._victims()):
            await asyncio.sleep(self._dice.uniform(LEAST_GAP_S, most))
            if number > len(VICTIMS) and time.monotonic() >= end:
                break
            await self._break(what)
            self.killed[what] += 1

    def _victims(self) -> Iterator[str]:
        """Each kind once, in a new order every round."""
        while True:
            yield from self._dice.sample([*VICTIMS, CONNECTION], len(VICTIMS) + 1)

    async def _break(self, what: str) -> None:
        if what == CONNECTION:
            with contextlib.suppress(AssertionError):  # It was gone already.
                await self._dice.choice(self._chatters).drop()
            return
        victim = await self._alone(VICTIMS[what])
        victim.kill()
        await self._alone(VICTIMS[what], instead_of=victim.pid)

    async def _alone(self, word: str, instead_of: int = 0) -> psutil.Process:
        """The only process of its kind, once there is one that is not `instead_of`."""
        async with asyncio.timeout(REPLACED_S):
            while True:
                found = self._product.children(word)
                if len(found) == 1 and found[0].pid != instead_of:
                    return found[0]
                await asyncio.sleep(0.05)


async def soak(product: Product, seconds: float, per_s: float, seed: int) -> Outcome:
    """One run against a product without limits."""
    names = [f"Author {n}" for n in range(AUTHORS)] + [f"Reader {n}" for n in range(READERS)]
    chatters, follower = (
        [Chatter(product.url, name=name) for name in names],
        Follower(redis_url(product)),
    )
    async with contextlib.AsyncExitStack() as stack:
        for chatter in chatters:
            await stack.enter_async_context(chatter)
        following = asyncio.create_task(follower.follow())
        chaos, authors = Chaos(product, chatters, seed), chatters[:AUTHORS]
        breaking = asyncio.create_task(chaos.reign(seconds * (1 - CALM)))
        sent = await asyncio.gather(
            *(chat_steadily(each, per_s / AUTHORS, seconds) for each in authors)
        )
        await breaking
        await _settled(chatters, follower)
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following  # Raises what ended it early: nothing was checked then.
    told = sum(each.seen.view.told for each in chatters)
    return Outcome(sum(sent), chaos.killed, told, _faults(follower.history, chatters))


async def _settled(chatters: list[Chatter], follower: Follower) -> None:
    """Waits until nothing is under way, or for so long that what is missing is lost."""

    def calm() -> bool:
        with contextlib.suppress(redis.RedisError, OSError):
            follower.read()
            return all(_rests(each, follower.history) for each in chatters)
        return False

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLED_S):
            while not await asyncio.to_thread(calm):
                await asyncio.sleep(0.5)


def _rests(chatter: Chatter, history: History) -> bool:
    seen = chatter.seen
    judged_all = set(seen.accepted.values()) <= seen.verdicts.keys()
    return not chatter.unanswered and judged_all and seen.view.position == history.position


def _faults(history: History, chatters: list[Chatter]) -> list[Fault]:
    found = list(chain.from_iterable(against(history, each.seen.view) for each in chatters))
    for each in chatters:
        found += judged(history, each.seen.accepted, each.seen.verdicts)
        if each.unanswered:
            what = f"{each.name}: never answered: {sorted(each.unanswered)}"
            found.append(Fault(Kind.LOST, what, len(each.unanswered)))
    return found


def rows(outcome: Outcome, server: str) -> list[report.Row]:
    """One row."""
    lost, doubled = outcome.count(Kind.LOST), outcome.count(Kind.DOUBLED)
    reordered = outcome.count(Kind.REORDERED, Kind.DIFFERENT)
    killed = ", ".join(f"{count} × {what}" for what, count in sorted(outcome.killed.items()))
    value = (
        f"{lost}, {doubled}, {reordered} of {outcome.sent} messages "
        f"({killed}; {outcome.told} not recovered)"
    )
    what = "lost, doubled, reordered under kill -9 of gateway, worker, Valkey"
    return [report.Row(what, value, "0, 0, 0", not outcome.faults, server)]


def main(asked: argparse.Namespace) -> None:
    """Runs once, prints a table and every fault; the exit status is 1 where there are any."""
    with started(asked.server) as product:
        outcome = asyncio.run(soak(product, asked.minutes * 60, asked.rate, asked.seed))
    for fault in outcome.faults:
        print(f"{fault.kind}: {fault.what}"[:500])
    report.finish(rows(outcome, asked.server), asked)
    if outcome.faults and not asked.json:
        sys.exit(1)


if __name__ == "__main__":
    main(report.arguments(__doc__, minutes=10.0, seed=1, rate=50.0))
