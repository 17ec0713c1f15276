"""Makes a GPU's variant of a shipped model: `python -m training.halves --folder DIR --out DIR`.

Bytes are a processor's way to be fast; a GPU multiplies half-precision matrices faster, and bytes
hardly at all. The variant takes the weights that the bytes stand for, drops the rounding of what
flows between layers, and multiplies in half precision; all else stays in single precision.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from pathlib import Path

import onnx

from training.graph import build
from training.start_onnx import constants_of, ending_of, layers_of, restore


def convert(folder: Path, out: Path) -> None:
    """Writes the variant of a model folder, with a version and digests of its own.

    Raises ValueError for a model that has no bytes.
    """
    constants = constants_of(folder / "model.onnx")
    weights = restore(constants)
    model = build(weights, layers_of(constants), ending_of(constants), halves=True)
    out.mkdir(parents=True)
    onnx.save(model, str(out / "model.onnx"))
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in manifest["files"]:
        if name != "model.onnx":
            shutil.copyfile(folder / name, out / name)
    manifest["version"] += "-fp16"
    manifest["files"]["model.onnx"] = _digest(out / "model.onnx")
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _digest(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="a shipped model folder")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    asked = parser.parse_args()
    convert(asked.folder, asked.out)
    print(f"{asked.out}: add it with `manage.py models add {asked.out}`")


if __name__ == "__main__":
    main()
