"""Finds texts that a model gets wrong: `python -m training.mine --help`.

Looks among the rows that a run did not draw, never among those kept for validation, and writes the
worst ones for `--hard` of `moderation` and `distil`. What a model gets most wrong is often a label
that is wrong: so each source gives few rows, and somebody should read them.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from training.holdout import assert_none_held_out, drop_held_out, is_validation
from training.labels import MODERATION_HEADS
from training.mix import drawn
from training.rows import Row
from training.scores import Judged, judge
from training.sources import MODERATION_CAPS, moderation_rows
from training.validation import DISTIL_SEED, write_rows

WRONG = 0.5
"""How far a score is from its target at least."""


def unused(rows: Sequence[Row], seeds: Sequence[int], share: float) -> list[Row]:
    """Rows for training that no epoch with these seeds drew, each text once."""
    used = {row.text for seed in seeds for row in drawn(rows, seed, share)}
    found = {
        row.text: row
        for row in rows
        if row.text not in used
        and not is_validation(row.text)
        and MODERATION_CAPS.get(row.source, 1) > 0
    }
    return list(found.values())


def hardest(judged: Judged, most: int, cap: int) -> list[Row]:
    """The rows that are most wrong, at most so many for a label, and of a source for a label."""
    found: dict[str, Row] = {}
    for label in judged.labels:
        if label in MODERATION_HEADS:
            found |= {row.text: row for row in _worst(judged.known(label), label, most, cap)}
    return [replace(row, source=f"hard.{row.source}") for row in found.values()]


def _worst(known: Judged, label: str, most: int, cap: int) -> list[Row]:
    targets = np.array([row.targets[label] for row in known.rows])
    gaps = np.abs(known.score(label) - targets)
    taken: Counter[str] = Counter()
    worst: list[Row] = []
    for at in np.argsort(-gaps, kind="stable"):
        row = known.rows[at]
        if gaps[at] < WRONG or len(worst) == most:
            break
        if taken[row.source] < cap:
            taken[row.source] += 1
            worst.append(row)
    return worst


def main() -> None:
    """Read, leave out what was drawn, score, and write what is most wrong."""
    asked = _options()
    rows = drop_held_out(moderation_rows(asked.data))
    seeds = range(asked.seed, asked.seed + asked.epochs)
    fresh = unused(rows, seeds, asked.real)[: asked.limit or None]
    found = hardest(judge(asked.folder, fresh), asked.most, asked.cap)
    assert_none_held_out(found)
    write_rows(asked.out, found)
    print(f"{len(fresh)} rows not drawn, {len(found)} of them written to {asked.out}")
    print(dict(Counter(row.source for row in found).most_common()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the public data sets")
    parser.add_argument("--folder", type=Path, required=True, help="model folder that judges")
    parser.add_argument("--out", type=Path, required=True, help="file to write, .jsonl.gz")
    parser.add_argument("--most", type=int, default=400, help="rows for each label")
    parser.add_argument("--cap", type=int, default=60, help="rows of a source for each label")
    parser.add_argument("--seed", type=int, default=DISTIL_SEED, help="of the run")
    parser.add_argument("--epochs", type=int, default=6, help="of the run; 0: it drew nothing")
    parser.add_argument("--real", type=float, default=1.0, help="share of the real rows it drew")
    parser.add_argument("--limit", type=int, default=0, help="look at so many rows only")
    return parser.parse_args()


if __name__ == "__main__":
    main()
