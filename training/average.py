"""Averages a run's weights with those it started from: `python -m training.average --help`.

A model that learnt new kinds of text forgets a little of the old ones; on the way from the old
weights to the new ones lies a model that keeps nearly all of both (Wortsman et al., 2022).
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from training.encoder import Network
from training.labels import MODERATION_HEADS
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
    parser.add_argument(
        "--keep",
        nargs="*",
        default=[],
        choices=MODERATION_HEADS,
        help="heads that stay the old ones",
    )
    return parser.parse_args()


def go_back(
    network: Network, old: Mapping[str, Tensor], share: float, keep: Sequence[str] = ()
) -> None:
    """Takes so much of the network and the rest of the old weights; of these heads nothing is
    taken."""
    with torch.no_grad():
        for name, value in network.state_dict().items():
            value.lerp_(old[name], 1.0 - share)
        for head in keep:
            place = MODERATION_HEADS.index(head)
            network.heads.weight[place] = old["heads.weight"][place]
            network.heads.bias[place] = old["heads.bias"][place]


def main() -> None:
    """Write a run with averaged weights and the same validation rows."""
    asked = arguments()
    asked.out.mkdir(parents=True, exist_ok=True)
    network = read_network(asked.run)
    go_back(network, start_weights(asked.start), asked.share, asked.keep)
    write_network(asked.out, network)
    shutil.copyfile(asked.run / VALIDATION, asked.out / VALIDATION)


if __name__ == "__main__":
    main()
