"""Small decoder versions made on the spot: a real graph with a cache, a tokenizer, a manifest."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from inference import versions
from inference.engine_onnx import OnnxEngine
from inference.generator import Cancellation, Ended, Piece, Prompt, Role, Sampling, Turn
from tests.inference.small_models import digest
from training.decoder_graph import Shape
from training.decoder_random import MARKS, TINY, random_decoder

SYSTEM, USER, ASSISTANT, END = MARKS
WAIT_S = 30.0


def decoder(shape: Shape = TINY, **changes: Any) -> dict[str, Any]:
    """What a manifest says of such a decoder; a change to None leaves the field out."""
    content = {
        "layers": shape.layers,
        "kv_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "context": shape.context,
        "vocab": shape.vocab,
        "template": {"system": [SYSTEM, END], "user": [USER, END], "assistant": [ASSISTANT, END]},
        "stop_tokens": [END],
    } | changes
    return {name: value for name, value in content.items() if value is not None}


def write_manifest(folder: Path, more: Sequence[str] = (), **changes: Any) -> Path:
    """The manifest of what lies in the folder; a change to None leaves the field out."""
    files = ("model.onnx", "tokenizer.json", "card.md", *more)
    content = {
        "name": "babble",
        "version": "1.0.0",
        "plugin": "llm",
        "labels": [],
        "max_tokens": 128,
        "window_reduction": "max",
        "licence": "Apache-2.0",
        "card": "card.md",
        "files": {name: digest(folder / name) for name in files},
        "decoder": decoder(),
    } | changes
    kept = {name: value for name, value in content.items() if value is not None}
    (folder / "manifest.json").write_text(json.dumps(kept))
    return folder


def version(folder: Path, shape: Shape = TINY, seed: int = 0, **changes: Any) -> Path:
    """A folder with a whole, valid decoder version that says random things."""
    random_decoder(folder, shape, seed)
    (folder / "card.md").write_text("# Babble\n")
    return write_manifest(folder, **{"decoder": decoder(shape), **changes})


def engine(folder: Path, **options: Any) -> OnnxEngine:
    """The folder's version, opened."""
    return OnnxEngine(folder, versions.load(folder), **{"memory_mb": 64, **options})


def prompt(text: str = "hello there", **sampling: Any) -> Prompt:
    """One turn of a user."""
    options = {"max_tokens": 24, "temperature": 0.9, "seed": 7} | sampling
    return Prompt((Turn(Role.USER, text),), Sampling(**options))


def text_of(pieces: Sequence[Piece | Ended]) -> str:
    """All that was written."""
    return "".join(piece.text for piece in pieces if isinstance(piece, Piece))


def written(found: Iterator[Piece | Ended]) -> tuple[str, Ended]:
    """An answer's text, and how it ended."""
    pieces = list(found)
    assert isinstance(pieces[-1], Ended)
    return text_of(pieces), pieces[-1]


def answer(engine: OnnxEngine, prompt: Prompt) -> tuple[str, Ended]:
    """The whole answer to a prompt."""
    return written(engine.generate(prompt, Cancellation()))
