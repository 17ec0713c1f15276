"""Teaches a decoder, until the time is up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from training.decoder import Decoder

Batch = tuple[Tensor, Tensor, Tensor]
"""Tokens, weights of their loss, and numbers of their dialogues: [rows, length] each."""

PIECE = 1024
"""Tokens whose loss is worked out together."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to learn: the rate falls to zero from `cool_from` (a share of `minutes`) on."""

    minutes: float
    threads: int = 2
    seed: int = 17
    rate: float = 5e-4
    warm_up: float = 0.02
    cool_from: float = 0.0
    steepest: float = 1.0
    save_every: int = 50
    kind: torch.dtype = torch.float32


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
        context: Any, states: Tensor, words: Tensor, following: Tensor, weights: Tensor
    ) -> Tensor:
        """States [tokens, width], words [vocabulary, width], and the next tokens [tokens]."""
        table = words.detach().to(states.dtype)
        summed = states.new_zeros((), dtype=torch.float32)
        to_states = torch.empty_like(states)
        learning = context.needs_input_grad[1]
        to_words = torch.zeros_like(table, dtype=torch.float32) if learning else None
        for here in torch.arange(len(following)).split(PIECE):
            near, wanted, heavy = states[here].detach(), following[here], weights[here, None]
            likely = (near @ table.T).float().log_softmax(dim=-1)
            summed -= (likely.gather(1, wanted[:, None]) * heavy).sum()
            steep = likely.exp_().mul_(heavy)
            steep = steep.scatter_add_(1, wanted[:, None], -heavy).to(states.dtype)
            to_states[here] = steep @ table
            if to_words is not None:
                to_words += steep.T @ near
        context.save_for_backward(to_states, to_words)
        return summed

    @staticmethod
    def backward(context: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients kept on the way forward."""
        to_states, to_words = context.saved_tensors
        words = None if to_words is None else to_words * slopes[0]
        return to_states * slopes[0], words, None, None


def loss_of(network: Decoder, batch: Batch, kind: torch.dtype) -> tuple[Tensor, Tensor]:
    """The summed weighted loss of next tokens, and the summed weights."""
    tokens, weights, dialogues = batch
    tokens, following, dialogues = tokens[:, :-1], tokens[:, 1:], dialogues[:, :-1]
    heavy = weights[:, 1:]
    wanted = heavy > 0
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=kind != torch.float32):
        states = network(tokens, dialogues)[wanted].to(kind)
    summed: Tensor = NextTokens.apply(  # type: ignore[no-untyped-call]
        states, network.words.weight, following[wanted], heavy[wanted]
    )
    return summed, heavy[wanted].sum()


def fit(
    network: Decoder,
    batches: Iterator[Batch],
    plan: Plan,
    state: Path,
    rate_of: Callable[[str], float] = lambda _: 1.0,
) -> None:
    """Learn until the minutes are over; goes on from `state` where it exists.

    Weights that need no gradient stay as they are; `rate_of` gives each name's share of the rate.
    """
    torch.manual_seed(plan.seed)
    torch.set_num_threads(plan.threads)
    named = [(name, each) for name, each in network.named_parameters() if each.requires_grad]
    weights = [each for _, each in named]
    groups = [{"params": [each], "share": rate_of(name)} for name, each in named]
    tool = torch.optim.Adam(groups, lr=plan.rate, betas=(0.9, 0.95), fused=True)
    step, spent = _resume(network, tool, state)
    network.train()
    began = time.monotonic() - spent
    bar = tqdm(initial=step, unit="step", mininterval=10.0)
    while spent < plan.minutes * 60.0:
        factor = pace(spent / (plan.minutes * 60.0), plan)
        for group in tool.param_groups:
            group["lr"] = plan.rate * factor * group["share"]
        summed, weight = loss_of(network, next(batches), plan.kind)
        (summed / weight).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(weights, plan.steepest)
        tool.step()
        tool.zero_grad(set_to_none=True)
        step, spent = step + 1, time.monotonic() - began
        loss = float(summed.detach() / weight)
        bar.set_postfix(loss=f"{loss:.4f}", pace=f"{factor:.2f}", refresh=False)
        bar.update()
        if step % plan.save_every == 0:
            _save(network, tool, (step, spent), state)
    bar.close()
    _save(network, tool, (step, spent), state)


def _save(
    network: Decoder, tool: torch.optim.Optimizer, done: tuple[int, float], state: Path
) -> None:
    fresh = state.with_suffix(".new")
    kept = {"network": network.state_dict(), "tool": tool.state_dict(), "done": done}
    torch.save(kept, fresh)
    fresh.replace(state)


def _resume(network: Decoder, tool: torch.optim.Optimizer, state: Path) -> tuple[int, float]:
    if not state.exists():
        return 0, 0.0
    saved = torch.load(state, weights_only=True)
    network.load_state_dict(saved["network"])
    tool.load_state_dict(saved["tool"])
    step, spent = saved["done"]
    return int(step), float(spent)
