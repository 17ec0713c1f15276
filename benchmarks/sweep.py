"""Finds the peers' best settings and writes all figures down: `make bench` then runs them so.

Every candidate serves the same subscribers and, where it judges, the same texts. The best delivers
the largest share, in order, and then has the lowest p99; or judges the most messages a second.

    python -m benchmarks.sweep [--subscribers 1000] [--rate 50] [--seconds 5] [--messages 1500]
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import fan_out, report, targets
from benchmarks.chatting import closed_loop, texts
from benchmarks.peers import running
from benchmarks.peers.settings import FOR_FAN_OUT, FOR_JUDGING, SWEEP, Settings, SocketIoSettings

CLIENTS, WINDOW = 50, 8
PATIENCE_S = 150
TUTORIAL = [
    Settings(workers, loop, http)
    for workers in (1, 2)
    for loop, http in (("uvloop", "httptools"), ("asyncio", "h11"))
]
SOCKETIO = [
    SocketIoSettings(adapter, deflate)
    for adapter in ("classic", "sharded")
    for deflate in (False, True)
]

Candidate = Settings | SocketIoSettings
Score = tuple[float, ...]
"""Compared as a whole; the largest is the best."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One candidate for one purpose. Without a score it failed."""

    purpose: str
    settings: Candidate
    value: str
    score: Score | None = None


def fanned_out(name: str, candidate: Candidate, asked: argparse.Namespace) -> tuple[str, Score]:
    """What subscribers heard."""

    async def listen(target: targets.Target) -> fan_out.Heard:
        async with asyncio.timeout(PATIENCE_S):
            return await fan_out.listen(target, asked.subscribers, asked.rate, asked.seconds)

    with targets.opened(name, candidate) as target:
        heard: fan_out.Heard = report.run(lambda: listen(target))
    return str(heard), (heard.share, -heard.problems, -heard.p99)


def judged(candidate: Settings, asked: argparse.Namespace) -> tuple[str, Score]:
    """Messages a second."""

    async def chat(url: str) -> float:
        async with asyncio.timeout(PATIENCE_S):
            rate, _ = await closed_loop(url, CLIENTS, WINDOW, texts(asked.messages))
        return rate

    with running.tutorial(candidate) as peer:
        rate = asyncio.run(chat(peer.url))
    return f"{rate:.0f} judged a second", (rate,)


def tried(purpose: str, candidate: Candidate, measure: Callable[[], tuple[str, Score]]) -> Tried:
    """One candidate, whatever becomes of it."""
    print(f"--- {purpose}: {candidate}", flush=True)
    try:
        return Tried(purpose, candidate, *measure())
    except (running.NotMeasured, AssertionError, OSError, TimeoutError) as error:
        return Tried(purpose, candidate, f"failed: {error!r}"[:100])


def sweep(asked: argparse.Namespace) -> list[Tried]:
    """Every candidate for every purpose."""
    found = [tried(FOR_JUDGING, each, lambda each=each: judged(each, asked)) for each in TUTORIAL]  # type: ignore[misc]
    for purpose, name, candidates in (
        (FOR_FAN_OUT, "tutorial", TUTORIAL),
        ("socketio", "socketio", SOCKETIO),
    ):
        for each in candidates:
            found.append(tried(purpose, each, lambda n=name, e=each: fanned_out(n, e, asked)))  # type: ignore[misc]
    return found


def best(found: Sequence[Tried]) -> dict[str, Mapping[str, Any]]:
    """The best settings by purpose; nothing for a purpose for which all failed."""
    chosen = dict[str, Tried]()
    for each in found:
        if each.score is None:
            continue
        before = chosen.get(each.purpose)
        if before is None or before.score is None or each.score > before.score:
            chosen[each.purpose] = each
    return {purpose: asdict(each.settings) for purpose, each in chosen.items()}


def table(found: Sequence[Tried], chosen: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown."""
    lines = ["| peer and purpose | settings | figure | best |", "| --- | --- | --- | --- |"]
    for each in found:
        is_best = chosen.get(each.purpose) == asdict(each.settings)
        words = ", ".join(f"{name} {value}" for name, value in asdict(each.settings).items())
        lines.append(f"| {each.purpose} | {words} | {each.value} | {'best' if is_best else ''} |")
    return "\n".join(lines)


def main() -> None:
    """Runs all of it and writes two files; the exit status is 1 where nothing could be measured."""
    asked = report.arguments(
        __doc__,
        subscribers=1_000,
        rate=50.0,
        seconds=5.0,
        messages=1_500,
        results=str(SWEEP.parent),
    )
    found = sweep(asked)
    chosen, folder = best(found), Path(asked.results)
    about = (
        f"Machine: {report.machine()}.\n\n{asked.subscribers} subscribers of one stream, "
        f"{asked.rate:.0f} messages/s; {CLIENTS} clients that chat. "
        f"`python -m benchmarks.sweep` writes this.\n\n"
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sweep.md").write_text(f"{about}{table(found, chosen)}\n")
    (folder / SWEEP.name).write_text(json.dumps(chosen, indent=1) + "\n")
    print(table(found, chosen))
    sys.exit(not chosen)


if __name__ == "__main__":
    main()
