"""Turns a finished run into a model folder: `python -m training.export --run DIR --name NAME`."""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from training import verify
from training.calibrate import balanced, fit_affine, fit_blend, fit_classes
from training.encode import numbers_of, shipped_tokenizer, write_tokenizer
from training.encoder import Network
from training.fit import predict
from training.graph import Ending, build
from training.holdout import is_calibration
from training.labels import HARMLESS, MODERATION_HEADS, MODERATION_LABELS, PARENTS, SENTIMENT_LABELS
from training.quantise import small_maps
from training.rows import Row
from training.store import read_network, read_validation

KINDS = {
    "guard-mini": ("moderation", MODERATION_LABELS, "max"),
    "sentiment-mini": ("sentiment", SENTIMENT_LABELS, "mean"),
}
CARDS = Path(__file__).parents[1] / "docs" / "models"
KINDS_OF_HARM = (
    "self_harm", "sexual", "illicit", "threat", "violence", "identity_attack", "toxicity",
)  # fmt: skip
POSITIVE_SHARE = 0.3
OBSERVED = 400
"""On how many texts, of every kind, the ranges of activations are found."""
ENOUGH = 25
MAX_TOKENS = 128
LARGEST_FILE = 50_000_000


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder of the finished run")
    parser.add_argument("--name", choices=sorted(KINDS), required=True)
    parser.add_argument("--folder", type=Path, required=True, help="model folder to write")
    parser.add_argument("--version", default="1.0.0")
    parser.add_argument("--levels", type=int, default=63, help="largest weight as a byte")
    return parser.parse_args()


def moderation_ending(logits: NDArray[np.float32], rows: Sequence[Row]) -> Ending:
    """A calibration for each head on a mix with a stated share of positives."""
    slopes = np.ones(len(MODERATION_HEADS), dtype=np.float32)
    shifts = np.zeros_like(slopes)
    for column, head in enumerate(MODERATION_HEADS):
        known = [i for i, row in enumerate(rows) if head in row.targets]
        targets = np.array([rows[i].targets[head] for i in known])
        weights = balanced(targets, np.ones(len(known)), POSITIVE_SHARE)
        if min((targets >= 0.5).sum(), (targets < 0.5).sum()) >= ENOUGH:
            found = fit_affine(logits[known, column].astype(np.float64), targets, weights)
            slopes[column], shifts[column] = found
    placed = logits * slopes + shifts
    own, blend, shift = _harm_blend(placed.astype(np.float64), rows)
    slopes[0], shifts[0] = slopes[0] * own, shifts[0] * own + shift
    return Ending(slopes, shifts, blend=blend, ceilings=_ceilings(), factors=_factors())


def _harm_blend(
    placed: NDArray[np.float64], rows: Sequence[Row]
) -> tuple[float, NDArray[np.float32], float]:
    """`harm` from its own head and, as far as it helps, from the heads of the categories."""
    known = [i for i, row in enumerate(rows) if "harm" in row.targets]
    columns = [i for i, head in enumerate(MODERATION_HEADS) if head not in HARMLESS]
    targets = np.array([rows[i].targets["harm"] for i in known])
    weights = balanced(targets, _by_kind([rows[i] for i in known]), POSITIVE_SHARE)
    evidence = np.log1p(np.exp(np.clip(placed[np.ix_(known, columns)], -30.0, 30.0)))
    found = fit_blend(placed[known, 0], evidence, targets, weights)
    blend = np.zeros((len(MODERATION_HEADS), len(MODERATION_HEADS)), dtype=np.float32)
    blend[columns, 0] = found[1:-1]
    return float(found[0]), blend, float(found[-1])


def _by_kind(rows: Sequence[Row]) -> NDArray[np.float64]:
    """Weights under which each kind of harm counts by the square root of its number.

    There are many insults and few texts on self-harm; `harm` is asked to notice both.
    """
    kinds = [max(KINDS_OF_HARM, key=lambda head: row.targets.get(head, 0.0)) for row in rows]
    harmful = [row.targets["harm"] >= 0.5 for row in rows]
    counts = Counter(kind for kind, yes in zip(kinds, harmful, strict=True) if yes)
    weights = [
        counts[kind] ** -0.5 if yes else 1.0 for kind, yes in zip(kinds, harmful, strict=True)
    ]
    return np.array(weights)


def _ceilings() -> list[int]:
    return [MODERATION_LABELS.index(PARENTS.get(name, name)) for name in MODERATION_LABELS]


def _factors() -> list[int]:
    none = len(MODERATION_LABELS)
    sexual = MODERATION_LABELS.index("sexual")
    return [sexual if name == "sexual_minors" else none for name in MODERATION_LABELS]


def sentiment_ending(logits: NDArray[np.float32], rows: Sequence[Row]) -> Ending:
    """One slope and a shift for each class, on validation rows with every class as frequent."""
    names = [max(SENTIMENT_LABELS, key=row.targets.__getitem__) for row in rows]
    truth = np.array([SENTIMENT_LABELS.index(name) for name in names])
    slope, shifts = fit_classes(logits.astype(np.float64), truth)
    slopes = np.full(len(shifts), slope, dtype=np.float32)
    return Ending(slopes, shifts.astype(np.float32), exclusive=True)


def write_folder(folder: Path, name: str, version: str, model: onnx.ModelProto) -> None:
    """Write model, tokenizer, card and the manifest that names their digests."""
    plugin, labels, reduction = KINDS[name]
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(folder / "model.onnx"))
    write_tokenizer(folder)
    shutil.copyfile(CARDS / f"{name}.md", folder / "card.md")
    files = {part: _digest(folder / part) for part in ("model.onnx", "tokenizer.json", "card.md")}
    manifest = {
        "name": name,
        "version": version,
        "plugin": plugin,
        "labels": list(labels),
        "max_tokens": MAX_TOKENS,
        "window_reduction": reduction,
        "licence": "Apache-2.0",
        "card": "card.md",
        "files": files,
    }
    text = json.dumps(manifest, indent=2) + "\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def _digest(path: Path) -> str:
    content = path.read_bytes()
    if len(content) > LARGEST_FILE:
        raise AssertionError(f"{path.name} has {len(content)} bytes")
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def convert(
    network: Network, ending: Ending, tokens: Sequence[Sequence[int]], asked: argparse.Namespace
) -> onnx.ModelProto:
    """Quantise, compare with single precision, and refuse what depends on its neighbours."""
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    layers = len(network.layers)
    exact = verify.open_model(build(weights, layers, ending))
    observed = tokens[:: max(1, len(tokens) // OBSERVED)]
    model = build(weights, layers, ending, small_maps(network, observed, asked.levels))
    small = verify.open_model(model)
    sample = tokens[:: max(1, len(tokens) // 400)]
    before, after = verify.alone(exact, sample), verify.alone(small, sample)
    print(f"neighbours change a score by at most {verify.assert_independent(small, sample):.2e}")
    print(verify.comparison(before, after))
    for length in (16, 64, 128):
        print(f"{length} tokens: {verify.milliseconds(small, length):.2f} ms, one thread")
    return model


def main() -> None:
    """Calibrate, convert, verify and write."""
    asked = arguments()
    network = read_network(asked.run)
    rows = [row for row in read_validation(asked.run) if is_calibration(row.text)]
    tokens = numbers_of([row.text for row in rows], shipped_tokenizer(), MAX_TOKENS)
    logits = predict(network, tokens)
    make = moderation_ending if asked.name == "guard-mini" else sentiment_ending
    ending = make(logits, rows)
    model = convert(network, ending, tokens, asked)
    write_folder(asked.folder, asked.name, asked.version, model)


if __name__ == "__main__":
    main()
