"""Thresholds of the default policy for a model: `python -m training.thresholds --help`.

Each rule may act on so many of the harmless messages that training never saw: one in 200 to flag,
one in 1,000 to hold, one in about 3,000 to block. `policy/defaults.py` takes what this prints.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

from policy.defaults import DEFAULT_POLICY
from policy.policy import Action, Judges
from training.benign import benign_rows
from training.calibrate import threshold_at
from training.scores import Judged, judge

RATES = {Action.FLAG: 0.005, Action.HOLD: 0.001, Action.BLOCK: 0.0003}
LEAST = 0.5
"""No rule acts below even odds."""


def thresholds(chat: Judged) -> Iterator[tuple[str, str, float]]:
    """Name, label and threshold of each rule that judges people."""
    for rule in DEFAULT_POLICY.rules:
        if rule.judges != Judges.ASSISTANTS:
            exact = threshold_at(chat.score(rule.label), RATES[rule.action])
            yield rule.name, rule.label, max(LEAST, math.ceil(exact * 100.0) / 100.0)


def main() -> None:
    """Print a line for each rule."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the public data sets")
    parser.add_argument("--folder", type=Path, required=True, help="model folder")
    asked = parser.parse_args()
    chat = judge(asked.folder, benign_rows(asked.data))
    for name, label, threshold in thresholds(chat):
        print(f"{name:<18} {label:<24} {threshold:.2f}")


if __name__ == "__main__":
    main()
