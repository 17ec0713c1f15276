"""Where networks learn, and how many processes make what they read."""

from __future__ import annotations

import argparse
import os

import torch

MOST_WORKERS = 12


def place() -> torch.device:
    """A GPU where PyTorch sees one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command line may say of the machine."""
    parser.add_argument("--bfloat16", action="store_true", help="where the machine is fast at it")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--workers",
        type=int,
        default=max(0, min(MOST_WORKERS, (os.cpu_count() or 1) - 2))
        if torch.cuda.is_available()
        else 0,
        help="processes that make what is read next; 0: this one does",
    )
