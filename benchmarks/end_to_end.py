"""Messages judged end to end over WebSocket, against a bare loop and the tutorial architecture.

In one run the same texts go through the product (one worker), through the same models in a loop
of their own process, and through the architecture that tutorials teach
(`benchmarks.peers.tutorial`).
Two shared cores carry the load generator, the server, the worker and Valkey, so the ratios within
one run are what counts.

Each phase has as many messages as take 15 s, and at most so many as asked for.

    python -m benchmarks.end_to_end [--server daphne] [--messages 3000] [--clients 50] [--many 200]
"""

import argparse
import asyncio
from dataclasses import dataclass

from benchmarks import bare, report
from benchmarks.chatting import Load, closed_loop, open_loop, texts
from benchmarks.peers.running import tutorial
from benchmarks.products import started

WINDOW = 8
WARM_UP = 300
PHASE_S = 15
GOAL_SHARE, GOAL_RATE, GOAL_P99 = 0.8, 2.5, 1 / 3
GOAL_P50_MS, GOAL_P99_MS = 15, 60


@dataclass(frozen=True, slots=True)
class Judged:
    """What one architecture does: messages a second with some clients in a closed loop, the p99 in
    ms with many that wait for each verdict, and an open loop at half the rate."""

    rate: float
    p99: float
    half: Load
    refused: int
    """Messages that were answered with an error instead of a verdict; they do not count."""
    messages: int
    """How many texts each phase had."""

    @property
    def speed(self) -> str:
        """Messages judged a second."""
        return f"{self.rate:.0f}/s" + (f", {self.refused} refused" if self.refused else "")

    @property
    def wait(self) -> str:
        """From `accepted` to the verdict at half load."""
        decided, total = self.half.decided, self.half.total
        p50, p99 = report.quantile(decided, 0.5), report.quantile(decided, 0.99)
        sent = report.quantile(total, 0.99)
        return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms; from sending p99 {sent:.1f} ms"

    @property
    def in_time(self) -> bool:
        """Whether half load reaches its goal."""
        p50, p99 = (report.quantile(self.half.decided, share) for share in (0.5, 0.99))
        return p50 <= GOAL_P50_MS and p99 <= GOAL_P99_MS


def judged(url: str, asked: argparse.Namespace) -> Judged:
    """Measures whoever listens there."""
    clients, warming = asked.clients, texts(min(WARM_UP, asked.messages), seed=1)
    first, _ = asyncio.run(closed_loop(url, clients, WINDOW, warming))
    messages = min(asked.messages, max(WARM_UP, round(first * PHASE_S)))
    found = texts(messages)
    rate, busy = asyncio.run(closed_loop(url, clients, WINDOW, found))
    _, many = asyncio.run(closed_loop(url, asked.many, 1, found))
    half = asyncio.run(open_loop(url, clients, rate / 2, found[: messages // 2]))
    refused = busy.errors + many.errors + half.errors
    return Judged(rate, report.quantile(many.total, 0.99), half, refused, messages)


def rows(asked: argparse.Namespace) -> list[report.Row]:
    """Those of one run."""
    with started(asked.server) as product:
        ours = judged(product.url, asked)
    with tutorial() as peer:
        theirs = judged(peer.url, asked)
    most, single = bare.rate(ours.messages, 32), bare.rate(max(1, ours.messages // 4), 1)
    return [
        *_against_the_limit(ours, theirs, most, single, asked),
        *_against_the_tutorial(ours, theirs, asked),
        report.Row(
            "accepted to verdict at half load",
            ours.wait,
            f"p50 ≤ {GOAL_P50_MS} ms, p99 ≤ {GOAL_P99_MS} ms",
            ours.in_time,
            asked.server,
        ),
        report.Row("accepted to verdict at half load", theirs.wait, on="tutorial"),
    ]


def _against_the_limit(
    ours: Judged, theirs: Judged, most: float, single: float, asked: argparse.Namespace
) -> list[report.Row]:
    what = f"judged end to end, {asked.clients} clients, against the bare loop"
    share = ours.rate / most
    return [
        report.Row(
            what,
            f"{ours.speed}: {share:.2f}",
            f"≥ {GOAL_SHARE}",
            share >= GOAL_SHARE and not ours.refused,
            asked.server,
        ),
        report.Row(
            what, f"{most:.0f}/s in batches of 32, {single:.0f}/s one by one", on="bare loop"
        ),
        report.Row(what, f"{theirs.rate / most:.2f}", on="tutorial"),
    ]


def _against_the_tutorial(
    ours: Judged, theirs: Judged, asked: argparse.Namespace
) -> list[report.Row]:
    fast = f"judged end to end, {asked.clients} clients, against the tutorial architecture"
    late = f"p99 from sending to the verdict, {asked.many} clients that wait, against the same"
    gain, share = ours.rate / theirs.rate, ours.p99 / theirs.p99
    return [
        report.Row(
            fast,
            f"{ours.speed}: {gain:.2f}×",
            f"≥ {GOAL_RATE}×",
            gain >= GOAL_RATE and not ours.refused,
            asked.server,
        ),
        report.Row(fast, theirs.speed, on="tutorial"),
        report.Row(late, f"{ours.p99:.0f} ms: {share:.2f}", "≤ ⅓", share <= GOAL_P99, asked.server),
        report.Row(late, f"{theirs.p99:.0f} ms", on="tutorial"),
    ]


def main() -> None:
    """Runs everything once and prints a table in Markdown."""
    asked = report.arguments(__doc__, messages=3_000, clients=50, many=200)
    report.finish(rows(asked), asked)


if __name__ == "__main__":
    main()
