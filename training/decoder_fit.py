"""Teaches a decoder with Muon for matrices and Adam for the rest, until the time is up.

Muon makes each matrix's momentum orthogonal before it is applied: K. Jordan et al., "Muon: An
optimizer for hidden layers in neural networks" (2024); J. Liu et al., "Muon is scalable for LLM
training" (2025).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed
from tqdm import tqdm

from training.decoder import Decoder

Batch = tuple[Tensor, Tensor, Tensor]
"""Tokens, weights of their loss, and numbers of their dialogues: [rows, length] each."""

PIECE = 1024
"""Tokens whose loss is worked out together."""

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the Newton-Schulz step that brings singular values close to one."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to learn: the rate falls to zero from `cool_from` (a share of `minutes`) on."""

    minutes: float
    threads: int = 1
    seed: int = 17
    matrix_rate: float = 0.02
    rate: float = 0.0015
    warm_up: float = 0.02
    cool_from: float = 0.0
    pieces: int = 1
    save_every: int = 50


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, made orthogonal; for matrices only."""

    def __init__(self, matrices: list[Tensor], lr: float, momentum: float = 0.95) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Apply one step from the gradients."""
        for group in self.param_groups:
            for number, weight in enumerate(group["params"]):
                kept = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
                kept.lerp_(weight.grad, 1.0 - group["momentum"])
                if number % workers() == worker():
                    ahead = weight.grad.lerp(kept, group["momentum"])
                    stretch = max(1.0, weight.shape[0] / weight.shape[1]) ** 0.5
                    weight.add_(orthogonal(ahead), alpha=-group["lr"] * stretch)
                share(weight, number % workers())


def workers() -> int:
    """How many processes learn together; one where none were asked for."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def worker() -> int:
    """Which of them this is."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def share(weight: Tensor, source: int) -> None:
    """Take a weight from the process that has worked it out."""
    if workers() > 1:
        distributed.broadcast(weight, source)


def agree(network: Decoder, spent: float) -> float:
    """Average the gradients of all processes; returns the longest time that one has spent."""
    if workers() == 1:
        return spent
    for weight in network.parameters():
        distributed.all_reduce(weight.grad)
        weight.grad.div_(workers())
    clock = torch.tensor([spent], dtype=torch.float64)
    distributed.all_reduce(clock, distributed.ReduceOp.MAX)
    return float(clock)


def orthogonal(matrix: Tensor, steps: int = 5) -> Tensor:
    """The matrix with its singular values brought close to one, by Newton-Schulz steps."""
    one, two, three = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    found = (matrix.T if tall else matrix).bfloat16()
    found = found / (found.norm() + 1e-7)
    for _ in range(steps):
        square = found @ found.T
        square = torch.addmm(square, square, square, beta=two, alpha=three)
        found = torch.addmm(found, square, found, beta=one)
    return (found.T if tall else found).to(matrix.dtype)


def optimisers(network: Decoder, plan: Plan) -> dict[str, torch.optim.Optimizer]:
    """Muon for the layers' matrices, Adam for words and norms."""
    named = list(network.named_parameters())
    matrices = [value for name, value in named if value.ndim == 2 and name != "words.weight"]
    others = [value for name, value in named if value.ndim != 2 or name == "words.weight"]
    adam = torch.optim.Adam(others, lr=plan.rate, betas=(0.9, 0.95), fused=True)
    return {"matrices": Muon(matrices, plan.matrix_rate), "others": adam}


def pace(share: float, plan: Plan) -> float:
    """The factor of the learning rates after this share of the time."""
    if share < plan.warm_up:
        return max(share / plan.warm_up, 0.02)
    if share <= plan.cool_from:
        return 1.0
    return max(0.0, (1.0 - share) / (1.0 - plan.cool_from))


class NextTokens(torch.autograd.Function):
    """The summed weighted cross-entropy of next tokens, a piece of them at a time.

    Gradients are worked out on the way, so that no table of all tokens by all words in single
    precision is ever written.
    """

    @staticmethod
    def forward(  # type: ignore[override]
        context: Any, states: Tensor, words: Tensor, wanted: Tensor, weights: Tensor
    ) -> Tensor:
        """States [tokens, width], words [vocabulary, width], wanted and weights [tokens]."""
        table = words.detach().bfloat16()
        summed = states.new_zeros((), dtype=torch.float32)
        to_states = torch.empty_like(states, dtype=torch.bfloat16)
        to_words = torch.zeros_like(table, dtype=torch.float32)
        for part in torch.arange(len(wanted)).split(PIECE):
            here = slice(int(part[0]), int(part[-1]) + 1)
            near = states[here].detach().bfloat16()
            slope = (near @ table.T).float().log_softmax(dim=-1)
            right = wanted[here, None]
            summed -= (slope.gather(1, right)[:, 0] * weights[here]).sum()
            slope = slope.exp_().scatter_add_(1, right, slope.new_full(right.shape, -1.0))
            steep = slope.mul_(weights[here, None]).bfloat16()
            to_states[here] = steep @ table
            to_words += steep.T @ near
        context.save_for_backward(to_states, to_words)
        return summed

    @staticmethod
    def backward(context: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients kept on the way forward."""
        to_states, to_words = context.saved_tensors
        return to_states * slopes[0], to_words * slopes[0], None, None


def loss_of(network: Decoder, batch: Batch) -> tuple[Tensor, Tensor]:
    """The summed weighted loss of next tokens, and the summed weights."""
    tokens, weights, dialogues = batch
    with torch.autocast("cpu", dtype=torch.bfloat16):
        states = network(tokens[:, :-1], dialogues[:, :-1])
    wanted = weights[:, 1:] > 0
    heavy = weights[:, 1:][wanted]
    following = tokens[:, 1:][wanted]
    summed: Tensor = NextTokens.apply(states[wanted], network.words.weight, following, heavy)  # type: ignore[no-untyped-call]
    return summed, heavy.sum()


def fit(network: Decoder, batches: Iterator[Batch], plan: Plan, state: Path) -> None:
    """Learn until the minutes are over; goes on from `state` where it exists."""
    torch.manual_seed(plan.seed)
    torch.set_num_threads(plan.threads)
    tools = optimisers(network, plan)
    step, spent = _resume(network, tools, state)
    network.train()
    began = time.monotonic() - spent
    bar = tqdm(initial=step, unit="step", mininterval=10.0)
    while spent < plan.minutes * 60.0:
        factor = pace(spent / (plan.minutes * 60.0), plan)
        tools["matrices"].param_groups[0]["lr"] = plan.matrix_rate * factor
        tools["others"].param_groups[0]["lr"] = plan.rate * factor
        value = _learn(network, batches, plan.pieces)
        spent = agree(network, time.monotonic() - began)
        _apply(network, tools)
        step += 1
        bar.set_postfix(loss=f"{value:.4f}", pace=f"{factor:.2f}", refresh=False)
        bar.update()
        if step % plan.save_every == 0 and worker() == 0:
            _save(network, tools, (step, spent), state)
    bar.close()
    if worker() == 0:
        _save(network, tools, (step, spent), state)


def _learn(network: Decoder, batches: Iterator[Batch], pieces: int) -> float:
    total = 0.0
    for _ in range(pieces):
        summed, weight = loss_of(network, next(batches))
        mean = summed / weight / pieces
        mean.backward()  # type: ignore[no-untyped-call]
        total += float(mean.detach())
    return total


def _apply(network: Decoder, tools: Mapping[str, torch.optim.Optimizer]) -> None:
    torch.nn.utils.clip_grad_norm_(network.words.parameters(), 1.0)
    for each in tools.values():
        each.step()
        each.zero_grad(set_to_none=True)


def _save(
    network: Decoder,
    tools: Mapping[str, torch.optim.Optimizer],
    done: tuple[int, float],
    state: Path,
) -> None:
    fresh = state.with_suffix(".new")
    kept = {name: tool.state_dict() for name, tool in tools.items()}
    torch.save({"network": network.state_dict(), "tools": kept, "done": done}, fresh)
    fresh.replace(state)


def _resume(
    network: Decoder, tools: Mapping[str, torch.optim.Optimizer], state: Path
) -> tuple[int, float]:
    if not state.exists():
        return 0, 0.0
    saved = torch.load(state, weights_only=True)
    network.load_state_dict(saved["network"])
    for name, tool in tools.items():
        tool.load_state_dict(saved["tools"][name])
    step, spent = saved["done"]
    return int(step), float(spent)
