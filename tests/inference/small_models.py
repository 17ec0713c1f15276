"""Small model versions made on the spot: a real ONNX graph, a real tokenizer, a manifest."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from inference.runtime import Runtime

WORDS = ("good", "bad", "awful", "nice", "day", "word", "one", "two", "three", "four")
LABELS = ("rude", "kind")


class FakeRuntime:
    """A runtime that calls a text rude when it contains `awful`."""

    def __init__(self, labels: tuple[str, ...] = LABELS, provider: str = "FakeProvider") -> None:
        self.labels = labels
        self.provider = provider
        self.warm = False

    def warm_up(self) -> None:
        self.warm = True

    def run(self, texts: Sequence[str]) -> list[list[float]]:
        return [[float("awful" in text), 0.5][: len(self.labels)] for text in texts]


def runtime_of(runtime: FakeRuntime) -> Runtime:
    """Proves that the fake is a runtime."""
    return runtime


def version(folder: Path, **changes: Any) -> Path:
    """A folder with a whole, valid model version, but for the changes to its manifest."""
    labels = changes.get("labels", LABELS)
    folder.mkdir(parents=True, exist_ok=True)
    write_graph(folder / "model.onnx", len(labels))
    write_tokenizer(folder / "tokenizer.json")
    (folder / "card.md").write_text("# A small model\n<script>alert(1)</script>\n")
    return write_manifest(folder, **changes)


def write_manifest(folder: Path, **changes: Any) -> Path:
    """The manifest of what lies in the folder; a change to None leaves the field out."""
    files = ("model.onnx", "tokenizer.json", "card.md")
    content = {
        "name": "small",
        "version": "1.0.0",
        "plugin": "manners",
        "labels": list(LABELS),
        "max_tokens": 16,
        "window_reduction": "max",
        "licence": "Apache-2.0",
        "card": "card.md",
        "files": {name: digest(folder / name) for name in files if (folder / name).exists()},
    } | changes
    kept = {name: value for name, value in content.items() if value is not None}
    (folder / "manifest.json").write_text(json.dumps(kept))
    return folder


def digest(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def write_tokenizer(path: Path) -> None:
    """A word is a token; text stands between [CLS] and [SEP]."""
    vocabulary = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS)
    numbers = {word: number for number, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(path))


def write_graph(
    path: Path,
    labels: int,
    *,
    inputs: Sequence[str] = ("input_ids", "attention_mask"),
    output: str = "probabilities",
    weight: float = 0.1,
) -> None:
    """A graph whose scores grow with the mean of a text's token numbers."""
    ids, mask = inputs
    nodes = [
        helper.make_node("Cast", [ids], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("Cast", [mask], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["ids", "mask"], ["seen"]),
        helper.make_node("ReduceSum", ["seen", "axis"], ["sum"], keepdims=1),
        helper.make_node("ReduceSum", ["mask", "axis"], ["count"], keepdims=1),
        helper.make_node("Div", ["sum", "count"], ["mean"]),
        helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], [output]),
    ]
    weights = np.array([[weight * (-1) ** each for each in range(labels)]], dtype=np.float32)
    graph = helper.make_graph(
        nodes,
        "small",
        [
            helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "sequence"])
            for n in inputs
        ],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", labels])],
        [
            numpy_helper.from_array(np.array([1], dtype=np.int64), "axis"),
            numpy_helper.from_array(weights, "weights"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
