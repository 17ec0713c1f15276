"""Turns a rounded chat run into a model folder: `python -m training.chat_export --run DIR`."""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import argparse
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from tokenizers import Tokenizer

from inference import weights_numpy
from inference.versions import MANIFEST, MODEL, TOKENIZER
from inference.weights_numpy import WEIGHTS, Bytes
from training.chat import SHAPE, split
from training.chat_round import ROUNDED, read_rounded
from training.chat_sources import load
from training.chat_tokens import MARKS, TEMPLATE, encode
from training.decoder import Decoder, weights_of
from training.decoder_graph import Array, Shape, build
from training.decoder_ranges import empty_cache, matrices, opened, small_maps
from training.dialogues.compose import Writer

NAME = "chat-mini"
CARD = Path(__file__).parents[1] / "docs" / "models" / f"{NAME}.md"
CARD_NAME = "card.md"
LARGEST_FILE = 50_000_000
SAMPLE = 24
"""Dialogues on which graph and network are compared."""
OBSERVED = 80
"""Dialogues, public ones and ours, on which the ranges of bytes are chosen."""


def main() -> None:
    """Round, build, compare, write."""
    asked = _options()
    network, maps = read_rounded(asked.run / ROUNDED)
    network.eval()
    fixed = {name: (np.ascontiguousarray(each.T), steps) for name, (each, steps) in maps.items()}
    weights, tokens = weights_of(network), _sample(asked)
    small = small_maps(weights, SHAPE, tokens[SAMPLE:], fixed)
    model, apart = build(weights, SHAPE, small, apart=True), matrices(small)
    print(compare(network, opened(model, apart), tokens[:SAMPLE]))
    write_folder(asked.folder, asked.version, model, apart, asked.tokenizer)


def compare(
    network: Decoder, runtime: ort.InferenceSession, tokens: Sequence[Sequence[int]]
) -> str:
    """How far the graph is from the network; raises AssertionError where neighbours matter."""
    together = logits(runtime, tokens)
    alone = np.concatenate([logits(runtime, [row]) for row in tokens])
    if (effect := float(np.abs(together - alone).max())) > 1e-3:
        raise AssertionError(f"a neighbour changes a logit by {effect:.4f}")
    exact = np.concatenate([_exact(network, row) for row in tokens])
    same = (exact.argmax(axis=1) == alone.argmax(axis=1)).mean()
    gap = np.abs(exact - alone).mean()
    return f"neighbours {effect:.1e}; bytes: logits differ by {gap:.4f}, same choice {same:.1%}"


def logits(runtime: ort.InferenceSession, tokens: Sequence[Sequence[int]]) -> Array:
    """What the graph says after each prompt, read in one batch."""
    ids = np.zeros((len(tokens), max(map(len, tokens))), dtype=np.int64)
    mask = np.zeros_like(ids)
    for number, row in enumerate(tokens):
        ids[number, : len(row)] = row
        mask[number, : len(row)] = 1
    given = {"input_ids": ids, "attention_mask": mask, **empty_cache(SHAPE, len(tokens))}
    found = runtime.run(["logits"], given)[0]
    return np.asarray(found[:, 0], dtype=np.float32)


def _exact(network: Decoder, row: Sequence[int]) -> Array:
    tokens = torch.tensor([list(row)])
    with torch.inference_mode():
        states = network(tokens, torch.zeros_like(tokens))[:, -1]
        found: Array = network.logits(states).numpy()
    return found


def manifest(version: str, files: dict[str, str], shape: Shape = SHAPE) -> dict[str, Any]:
    """What the version says of itself."""
    return {
        "name": NAME,
        "version": version,
        "plugin": "llm",
        "labels": [],
        "max_tokens": shape.context,
        "window_reduction": "max",
        "licence": "CC-BY-SA-4.0 AND Apache-2.0",
        "card": CARD_NAME,
        "files": files,
        "decoder": {
            "layers": shape.layers,
            "kv_heads": shape.kv_heads,
            "head_dim": shape.head_dim,
            "context": shape.context,
            "vocab": shape.vocab,
            "template": {role: list(marks) for role, marks in TEMPLATE.items()},
            "stop_tokens": [MARKS[-1]],
        },
    }


def write_folder(
    folder: Path,
    version: str,
    model: onnx.ModelProto,
    apart: Mapping[str, Bytes],
    tokenizer: Path,
) -> None:
    """Write graph, weights, tokenizer, card and the manifest that names their digests."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(folder / MODEL))
    weights_numpy.save(folder / WEIGHTS, apart)
    Tokenizer.from_file(str(tokenizer)).save(str(folder / TOKENIZER), pretty=False)
    shutil.copyfile(CARD, folder / CARD_NAME)
    files = {part: _digest(folder / part) for part in (MODEL, WEIGHTS, TOKENIZER, CARD_NAME)}
    text = json.dumps(manifest(version, files), indent=2) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def _digest(path: Path) -> str:
    content = path.read_bytes()
    if len(content) > LARGEST_FILE:
        raise AssertionError(f"{path.name} has {len(content)} bytes")
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _sample(asked: argparse.Namespace) -> list[tuple[int, ...]]:
    """Dialogues that training has not seen: a few to compare on, then those that choose ranges."""
    kept = split(load(asked.dialogues))[1][: SAMPLE + OBSERVED // 2]
    kept += Writer().write(OBSERVED // 2, seed=1)
    tokenizer = Tokenizer.from_file(str(asked.tokenizer))
    found = [piece.tokens for piece in encode(tokenizer, kept, 1.0, SHAPE.context // 2)]
    cut = [row[: len(row) * 3 // 4] for row in found[:SAMPLE]]  # In the middle of something.
    return [*cut, *found[SAMPLE:]]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--dialogues", type=Path, required=True, help="what chat_screen wrote")
    parser.add_argument("--folder", type=Path, required=True, help="model folder to write")
    parser.add_argument("--version", default="1.0.0")
    return parser.parse_args()


if __name__ == "__main__":
    main()
