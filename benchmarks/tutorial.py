"""The product against the architecture that tutorials teach, in one run.

The same load generator, models, texts and machine; see `benchmarks.peers.tutorial`.

    python -m benchmarks.tutorial [--server daphne] [--messages 3000]
"""

import asyncio

from benchmarks import report
from benchmarks.end_to_end import Load, closed_loop, texts
from benchmarks.peers.running import tutorial
from benchmarks.products import started

CLIENTS, WINDOW = 50, 8
MANY = 200
GOAL_RATE, GOAL_P99 = 2.5, 1 / 3


def measure(url: str, messages: int) -> tuple[float, float]:
    """Messages judged a second with 50 clients, and the p99 in ms with 200 clients that wait."""
    asyncio.run(closed_loop(url, CLIENTS, WINDOW, texts(500, seed=1)))
    rate, _ = asyncio.run(closed_loop(url, CLIENTS, WINDOW, texts(messages)))
    _, load = asyncio.run(closed_loop(url, MANY, 1, texts(messages)))
    return rate, _p99(load)


def _p99(load: Load) -> float:
    if load.errors:
        raise RuntimeError(f"{load.errors} errors came")
    return report.quantile(load.total, 0.99)


def main() -> None:
    """Runs both and prints a table in Markdown."""
    asked = report.arguments(__doc__, messages=3_000)
    with started(asked.server) as product:
        rate, p99 = measure(product.url, asked.messages)
    with tutorial() as peer:
        peer_rate, peer_p99 = measure(peer.url, asked.messages)
    rows = [
        report.Row(
            f"judged a second, {CLIENTS} clients, against the tutorial architecture",
            f"{rate:.0f}/s against {peer_rate:.0f}/s: {rate / peer_rate:.1f}×",
            f"≥ {GOAL_RATE}×",
            rate / peer_rate >= GOAL_RATE,
        ),
        report.Row(
            f"p99 from sending to the verdict, {MANY} clients, against the same",
            f"{p99:.0f} ms against {peer_p99:.0f} ms: {p99 / peer_p99:.2f}",
            "≤ ⅓",
            p99 / peer_p99 <= GOAL_P99,
        ),
    ]
    report.finish(rows, asked)


if __name__ == "__main__":
    main()
