"""Averages a run's weights with those it started from: `python -m training.average --help`.

A model that learnt new kinds of text forgets a little of the old ones; on the way from the old
weights to the new ones lies a model that keeps nearly all of both (Wortsman et al., 2022).
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch

from training.moderation import start_weights
from training.store import read_network, write_network
from training.validation import VALIDATION


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--start", type=Path, required=True, help="run, checkpoint or model.onnx")
    parser.add_argument("--run", type=Path, required=True, help="folder of the finished run")
    parser.add_argument("--share", type=float, default=0.8, help="how much of the run is taken")
    parser.add_argument("--out", type=Path, required=True, help="folder for the result")
    return parser.parse_args()


def main() -> None:
    """Write a run with averaged weights and the same validation rows."""
    asked = arguments()
    asked.out.mkdir(parents=True, exist_ok=True)
    old, network = start_weights(asked.start), read_network(asked.run)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            value.lerp_(old[name], 1.0 - asked.share)
    write_network(asked.out, network)
    shutil.copyfile(asked.run / VALIDATION, asked.out / VALIDATION)


if __name__ == "__main__":
    main()
