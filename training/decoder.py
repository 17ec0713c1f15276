"""The decoder as a network: the same steps as its graph, so that weights move over by name."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.decoder_graph import EPSILON, Array, Shape, rotations


class Layer(nn.Module):
    """Attention, then a gated feed-forward step (SwiGLU; Shazeer, 2020)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        packed = (shape.heads + 2 * shape.kv_heads) * shape.head_dim
        self.attend_norm = nn.RMSNorm(shape.width, EPSILON)
        self.attend = nn.Linear(shape.width, packed, bias=False)
        self.attended = nn.Linear(shape.width, shape.width, bias=False)
        self.widen_norm = nn.RMSNorm(shape.width, EPSILON)
        self.widen = nn.Linear(shape.width, 2 * shape.wide, bias=False)
        self.narrow = nn.Linear(shape.wide, shape.width, bias=False)

    def forward(self, states: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        """States [batch, length, width]; mask [batch, 1, length, length], true where seen."""
        states = states + self.attended(self._mix(self.attend_norm(states), turn, mask))
        gate, wide = self.widen(self.widen_norm(states)).chunk(2, dim=-1)
        return states + self.narrow(functional.silu(gate) * wide)

    def _mix(self, normed: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        size = self.shape
        batch, length, _ = normed.shape
        heads = self.attend(normed).view(batch, length, -1, size.head_dim).transpose(1, 2)
        query, key, value = heads.split([size.heads, size.kv_heads, size.kv_heads], dim=1)
        query, key = rotate(query, turn), rotate(key, turn)
        times = size.heads // size.kv_heads
        key, value = (part.repeat_interleave(times, dim=1) for part in (key, value))
        mixed = attend(query * size.head_dim**-0.5, key, value, mask)
        return mixed.transpose(1, 2).reshape(batch, length, size.width)


class Decoder(nn.Module):
    """Tokens in, logits of the next token out; the table of words serves both ends."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.words = nn.Embedding(shape.vocab, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.final_norm = nn.RMSNorm(shape.width, EPSILON)
        cosines, sines = (torch.from_numpy(table) for table in rotations(shape))
        self.register_buffer("cosines", cosines, persistent=False)
        self.register_buffer("sines", sines, persistent=False)
        self._begin()

    def _begin(self) -> None:
        """Each layer begins as the identity: what it adds starts at zero."""
        nn.init.normal_(self.words.weight, std=0.02)
        for name, weight in self.named_parameters():
            if name.endswith(("attended.weight", "narrow.weight")):
                nn.init.zeros_(weight)

    def forward(self, tokens: Tensor, dialogues: Tensor) -> Tensor:
        """Final states [batch, length, width] of tokens that see their own dialogue only."""
        length = tokens.shape[1]
        same = dialogues[:, None, :, None] == dialogues[:, None, None, :]
        mask = same & torch.ones_like(same[0, 0]).tril()
        turn = (self.cosines[:length], self.sines[:length])
        states = self.words(tokens)
        for layer in self.layers:
            states = layer(states, turn, mask)
        return self.final_norm(states)

    def logits(self, states: Tensor) -> Tensor:
        """Scores of every token of the vocabulary."""
        return functional.linear(states, self.words.weight)


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """What each token takes from those it sees; [batch, heads, length, head_dim]."""
    if query.is_cuda:
        fused: Tensor = functional.scaled_dot_product_attention(query, key, value, mask, scale=1.0)
        return fused
    # Written out: on a processor this takes half the time of the fused function.
    scores = (query @ key.transpose(-1, -2)).masked_fill(~mask, -30_000.0)
    return scores.softmax(dim=-1, dtype=query.dtype) @ value


def rotate(heads: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Each head's first half rotated against its second; [batch, heads, length, head_dim]."""
    cosines, sines = (table.to(heads.dtype) for table in turn)
    one, two = heads.chunk(2, dim=-1)
    return torch.cat((one * cosines - two * sines, two * cosines + one * sines), dim=-1)


def weights_of(network: Decoder) -> dict[str, Array]:
    """The weights as the graph takes them."""
    found = network.state_dict()
    return {name: value.detach().float().cpu().numpy() for name, value in found.items()}
