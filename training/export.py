"""Turns a finished run into a model folder: `python -m training.export --run DIR --name NAME`."""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import onnx

from training import verify
from training.encode import numbers_of, shipped_tokenizer, write_tokenizer
from training.encoder import Network
from training.endings import moderation_ending, sentiment_ending
from training.fit import predict
from training.graph import Ending, build
from training.holdout import is_calibration
from training.labels import MODERATION_LABELS, SENTIMENT_LABELS
from training.quantise import small_maps
from training.store import read_network
from training.validation import VALIDATION, read_rows

KINDS = {
    "guard-mini": ("moderation", MODERATION_LABELS, "max", ()),
    "sentiment-mini": ("sentiment", SENTIMENT_LABELS, "mean", ("links", "mentions")),
}
CARDS = Path(__file__).parents[1] / "docs" / "models"
OBSERVED = 400
"""On how many texts, of every kind, the ranges of activations are found."""
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


def write_folder(folder: Path, name: str, version: str, model: onnx.ModelProto) -> None:
    """Write model, tokenizer, card and the manifest that names their digests."""
    plugin, labels, reduction, left_out = KINDS[name]
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
    } | ({"leaves_out": left_out} if left_out else {})
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
    """Quantise; refuse what depends on its neighbours or is too far from single precision."""
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    layers = len(network.layers)
    exact = verify.open_model(build(weights, layers, ending))
    observed = tokens[:: max(1, len(tokens) // OBSERVED)]
    model = build(weights, layers, ending, small_maps(network, observed, asked.levels))
    small = verify.open_model(model)
    sample = tokens[:: max(1, len(tokens) // 400)]
    before, after = verify.alone(exact, sample), verify.alone(small, sample)
    print(f"neighbours change a score by at most {verify.assert_independent(small, sample):.2e}")
    print(verify.assert_close(before, after))
    for length in (16, 64, 128):
        print(f"{length} tokens: {verify.milliseconds(small, length):.2f} ms, one thread")
    return model


def main() -> None:
    """Calibrate, convert, verify and write."""
    asked = arguments()
    network = read_network(asked.run)
    rows = [row for row in read_rows(asked.run / VALIDATION) if is_calibration(row.text)]
    tokens = numbers_of([row.text for row in rows], shipped_tokenizer(), MAX_TOKENS)
    logits = predict(network, tokens)
    make = moderation_ending if asked.name == "guard-mini" else sentiment_ending
    ending = make(logits, rows)
    model = convert(network, ending, tokens, asked)
    write_folder(asked.folder, asked.name, asked.version, model)


if __name__ == "__main__":
    main()
