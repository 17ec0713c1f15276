"""Keeps the result of a run: the network and the validation rows that belong to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from training.encoder import Network
from training.rows import Row
from training.validation import VALIDATION, write_rows


def write_run(folder: Path, network: Network, validation: Sequence[Row]) -> None:
    """Write the trained network and its validation rows."""
    write_network(folder, network)
    write_rows(folder / VALIDATION, validation)


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
