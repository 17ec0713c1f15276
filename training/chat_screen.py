"""Drops public dialogues with a turn that our own moderation model finds harmful."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from multiprocessing import Pool
from pathlib import Path

from tqdm import tqdm

from inference import versions
from inference.runtime_onnx import OnnxRuntime
from training.chat_sources import drop_held_out, public, save

(GUARD,) = (Path(__file__).parents[1] / "plugins" / "models").glob("guard-mini-*")
LIMITS = {"harm": 0.5, "sexual": 0.3}
PIECE = 2_000
_loaded: list[OnnxRuntime] = []


def main() -> None:
    """Read, drop what is held out, screen, write."""
    asked = _options()
    found = list(public(asked.data, asked.seed))
    kept = drop_held_out(found)
    print(f"{len(found)} dialogues, {len(found) - len(kept)} dropped as held out")
    harmful = screen({turn for each in kept for turn in each.turns}, asked.processes)
    clean = [each for each in kept if not harmful.intersection(each.turns)]
    print(f"{len(harmful)} turns above a limit, {len(kept) - len(clean)} dialogues dropped")
    print("kept:", dict(Counter(each.source for each in clean)))
    save(clean, asked.out)


def screen(turns: Iterable[str], processes: int) -> frozenset[str]:
    """The turns of which a score exceeds its limit."""
    known = sorted(turns, key=len)
    pieces = [known[at : at + PIECE] for at in range(0, len(known), PIECE)]
    found: list[str] = []
    with Pool(processes) as pool:
        for piece in tqdm(pool.imap_unordered(_harmful, pieces), total=len(pieces)):
            found += piece
    return frozenset(found)


def _harmful(turns: list[str]) -> list[str]:
    if not _loaded:
        _loaded.append(OnnxRuntime(GUARD, versions.load(GUARD)))
    limits = {_loaded[0].labels.index(label): limit for label, limit in LIMITS.items()}
    rows = _loaded[0].run(turns)
    return [
        turn
        for turn, row in zip(turns, rows, strict=True)
        if any(row[at] > limit for at, limit in limits.items())
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of public sets")
    parser.add_argument("--out", type=Path, required=True, help="file of dialogues to write")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
