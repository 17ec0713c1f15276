"""Makes a GPU's variant of a shipped model: `python -m training.gpu --folder DIR --out DIR`.

Bytes are a processor's way to be fast; the operators that multiply them are not made for GPUs. The
variant multiplies the same whole numbers in single precision, with standard operators, so that it
decides just as the shipped model does: `docs/decisions/0013-a-gpu-multiplies-whole-numbers.md`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from pathlib import Path

import onnx

from training.graph import build
from training.start_onnx import constants_of, ending_of, layers_of, restore, small_maps_of


def convert(folder: Path, out: Path) -> None:
    """Writes the variant of a model folder, with a version and digests of its own.

    Raises ValueError for a model that has no bytes.
    """
    constants = constants_of(folder / "model.onnx")
    weights = restore(constants)
    small = small_maps_of(folder / "model.onnx")
    model = build(weights, layers_of(constants), ending_of(constants), small, whole=True)
    out.mkdir(parents=True)
    onnx.save(model, str(out / "model.onnx"))
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in manifest["files"]:
        if name != "model.onnx":
            shutil.copyfile(folder / name, out / name)
    manifest["version"] += "-gpu"
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
