"""Keeps the result of a run: the network and the validation rows that belong to it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from training.encoder import Network
from training.rows import Row, read

VALIDATION = "validation.jsonl.gz"


def write_run(folder: Path, network: Network, validation: Sequence[Row]) -> None:
    """Write the trained network and its validation rows."""
    write_network(folder, network)
    with gzip.open(folder / VALIDATION, "wt", encoding="utf-8") as lines:
        for row in validation:
            record = {"text": row.text, "targets": dict(row.targets), "source": row.source}
            lines.write(json.dumps(record) + "\n")


def write_network(folder: Path, network: Network) -> None:
    """Write a trained network alone."""
    state = {"layers": len(network.layers), "network": network.state_dict()}
    torch.save(state, folder / "network.pt")


def read_network(folder: Path) -> Network:
    """The trained network of a run, ready to predict."""
    state = torch.load(folder / "network.pt", weights_only=True)
    weights = state["network"]
    network = Network(len(weights["heads.bias"]), state["layers"])
    network.load_state_dict(weights)
    return network.eval()


def read_weights(path: Path) -> dict[str, Tensor]:
    """The weights in a run's network or in a checkpoint."""
    weights: dict[str, Tensor] = torch.load(path, weights_only=True)["network"]
    return weights


def read_validation(folder: Path) -> list[Row]:
    """The validation rows of a run."""
    return [
        Row(record["text"], record["targets"], record["source"])
        for record in read(folder / VALIDATION)
    ]
