"""Teaches a decoder, for so many batches or until the time is up."""

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

PIECE = 4096
"""Tokens whose loss is worked out together."""
HINTED = 0.5
"""Where a guide gives hints, how much what it thinks of a token weighs against the token itself."""
SAVED_EVERY = 300.0
"""Seconds between two checkpoints."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to learn: until so many `minutes` are over or `batches` are done; 0 is no limit.

    The rate falls to zero from `cool_from`, a share of all this, on.
    """

    minutes: float
    batches: int = 0
    threads: int = 2
    seed: int = 17
    rate: float = 5e-4
    warm_up: float = 0.02
    cool_from: float = 0.0
    steepest: float = 1.0
    kind: torch.dtype = torch.float32


def pace(share: float, plan: Plan) -> float:
    """The factor of the learning rates after this share of the time."""
    if share < plan.warm_up:
        return max(share / plan.warm_up, 0.02)
    if share <= plan.cool_from:
        return 1.0
    return max(0.0, (1.0 - share) / (1.0 - plan.cool_from))


@dataclass(frozen=True, slots=True)
class Ways:
    """What else is particular to a run.

    `rate_of` gives each name's share of the rate, a `guide` gives hints, and `after` is called
    with the number of each batch that was learnt.
    """

    rate_of: Callable[[str], float] = lambda _: 1.0
    guide: Decoder | None = None
    after: Callable[[int], None] = lambda _: None


class NextTokens(torch.autograd.Function):
    """The summed weighted cross-entropy of next tokens, a piece of them at a time.

    Gradients are worked out on the way, so that no table of all tokens by all words in single
    precision is ever written. With `hints`, the states [tokens, width] and words of a network
    that knows better, half of what is wanted is what that one thinks: G. Hinton et al.,
    "Distilling the Knowledge in a Neural Network" (2015).
    """

    @staticmethod
    def forward(  # type: ignore[override]
        context: Any,
        states: Tensor,
        words: Tensor,
        *aims: Tensor,
    ) -> Tensor:
        """States [tokens, width], words [vocabulary, width]; next tokens, their weights, hints."""
        following, weights, *hints = aims
        table = words.detach().to(states.dtype)
        summed = states.new_zeros((), dtype=torch.float32)
        to_states = torch.empty_like(states)
        learning = context.needs_input_grad[1]
        to_words = torch.zeros_like(table, dtype=torch.float32) if learning else None
        for at in range(0, len(following), PIECE):
            here = slice(at, at + PIECE)
            near, wanted, heavy = states[here].detach(), following[here], weights[here, None]
            likely = (near @ table.T).float().log_softmax(dim=-1)
            aimed, told = torch.zeros_like(likely), 1.0
            if hints:
                aimed = (hints[0][here] @ hints[1].T).float().softmax(dim=-1).mul_(HINTED)
                told -= HINTED
            aimed.scatter_add_(1, wanted[:, None], torch.full_like(heavy, told))
            summed -= (likely * aimed * heavy).sum()
            steep = likely.exp_().sub_(aimed).mul_(heavy).to(states.dtype)
            to_states[here] = steep @ table
            if to_words is not None:
                to_words += steep.T @ near
        context.save_for_backward(to_states, to_words)
        context.aims = len(aims)
        return summed

    @staticmethod
    def backward(context: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients kept on the way forward."""
        to_states, to_words = context.saved_tensors
        words = None if to_words is None else to_words * slopes[0]
        return to_states * slopes[0], words, *[None] * context.aims


def loss_of(
    network: Decoder, batch: Batch, kind: torch.dtype, guide: Decoder | None = None
) -> tuple[Tensor, Tensor]:
    """The summed weighted loss of next tokens, and the summed weights; with a guide's hints."""
    tokens, weights, dialogues = (part.to(network.words.weight.device) for part in batch)
    tokens, following, dialogues = tokens[:, :-1], tokens[:, 1:], dialogues[:, :-1]
    heavy = weights[:, 1:]
    wanted = heavy > 0
    hints: tuple[Tensor, ...] = ()
    with torch.autocast(tokens.device.type, torch.bfloat16, enabled=kind != torch.float32):
        states = network(tokens, dialogues)[wanted].to(kind)
        if guide is not None:
            with torch.no_grad():
                hints = guide(tokens, dialogues)[wanted].to(kind), guide.words.weight.to(kind)
    summed: Tensor = NextTokens.apply(  # type: ignore[no-untyped-call]
        states, network.words.weight, following[wanted], heavy[wanted], *hints
    )
    return summed, heavy[wanted].sum()


def fit(
    network: Decoder,
    batches: Iterator[Batch],
    plan: Plan,
    state: Path,
    ways: Ways = Ways(),
) -> None:
    """Learn as planned; goes on from `state` where it exists.

    Weights that need no gradient stay as they are.
    """
    torch.manual_seed(plan.seed)
    torch.set_num_threads(plan.threads)
    named = [(name, each) for name, each in network.named_parameters() if each.requires_grad]
    groups = [{"params": [each], "share": ways.rate_of(name)} for name, each in named]
    tool = torch.optim.Adam(groups, lr=plan.rate, betas=(0.9, 0.95), fused=True)
    step, spent = _resume(network, tool, state)
    network.train()
    began = time.monotonic() - spent
    saved = spent
    bar = tqdm(initial=step, unit="step", mininterval=10.0)
    while (share := _share(step, spent, plan)) < 1.0:
        factor = pace(share, plan)
        for group in tool.param_groups:
            group["lr"] = plan.rate * factor * group["share"]
        loss = _step(tool, loss_of(network, next(batches), plan.kind, ways.guide), plan)
        step, spent = step + 1, time.monotonic() - began
        bar.set_postfix(loss=f"{loss:.4f}", pace=f"{factor:.2f}", refresh=False)
        bar.update()
        ways.after(step)
        if spent > saved + SAVED_EVERY:
            _save(network, tool, (step, spent), state)
            saved = spent
    bar.close()
    _save(network, tool, (step, spent), state)


def _step(tool: torch.optim.Optimizer, found: tuple[Tensor, Tensor], plan: Plan) -> float:
    """Moves the weights; the mean loss of a token."""
    summed, weight = found
    (summed / weight).backward()  # type: ignore[no-untyped-call]
    learning = [each for group in tool.param_groups for each in group["params"]]
    torch.nn.utils.clip_grad_norm_(learning, plan.steepest)
    tool.step()
    tool.zero_grad(set_to_none=True)
    return float(summed.detach() / weight)


def _share(step: int, spent: float, plan: Plan) -> float:
    """How much of what was planned is done after so many batches and seconds."""
    by_time = spent / (plan.minutes * 60.0) if plan.minutes else 0.0
    return max(by_time, step / plan.batches if plan.batches else 0.0)


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
    saved = torch.load(state, map_location=network.words.weight.device, weights_only=True)
    network.load_state_dict(saved["network"])
    tool.load_state_dict(saved["tool"])
    step, spent = saved["done"]
    return int(step), float(spent)
