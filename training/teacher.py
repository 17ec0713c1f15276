"""A larger network that learns to judge first, so that the small one can learn from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.calibrate import sigmoid
from training.decoder import Decoder
from training.decoder_graph import Shape
from training.fit import Encoded

TRUST = 0.5
"""How much the teacher's opinion weighs against a label that is known."""
ALONE = 0.4
"""How much its opinion counts in the loss where no label is known."""


class Teacher(nn.Module):
    """A decoder that reads a text, and one linear head a label on what it then knows."""

    def __init__(self, shape: Shape, heads: int) -> None:
        super().__init__()
        self.decoder = Decoder(shape)
        self.heads = nn.Linear(2 * shape.width, heads)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Token numbers in, one logit a head out; mean and last token side by side."""
        states = self.decoder(input_ids, attention_mask - 1).float()
        mask = attention_mask.unsqueeze(-1).float()
        mean = (states * mask).sum(1) / mask.sum(1)
        last = states[torch.arange(len(states), device=states.device), attention_mask.sum(1) - 1]
        logits: Tensor = self.heads(torch.cat([mean, last], dim=-1))
        return logits


def advised(data: Encoded, logits: NDArray[np.float32]) -> Encoded:
    """The same texts, with targets between the labels and what the teacher thinks of each head."""
    opinion = sigmoid(logits.astype(np.float64)).astype(np.float32)
    known = data.weights > 0.0
    targets = np.where(known, (1.0 - TRUST) * data.targets + TRUST * opinion, opinion)
    return replace(data, targets=targets, weights=np.where(known, data.weights, np.float32(ALONE)))
