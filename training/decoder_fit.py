"""Teaches a decoder, until the time is up: next tokens, and what a larger one makes of them.

A guide's answers and its states between layers tell far more than the next token does: V. Sanh et
al., "DistilBERT" (2019); X. Jiao et al., "TinyBERT" (2019).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class Plan:
    """How to learn: the rate falls to zero from `cool_from` (a share of `minutes`) on."""

    minutes: float
    threads: int = 1
    seed: int = 17
    rate: float = 5e-4
    warm_up: float = 0.02
    cool_from: float = 0.0
    steepest: float = 1.0
    save_every: int = 50


def workers() -> int:
    """How many processes learn together; one where none were asked for."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def worker() -> int:
    """Which of them this is."""
    return distributed.get_rank() if distributed.is_initialized() else 0


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
        context: Any, states: Tensor, words: Tensor, told: Told
    ) -> Tensor:
        """States [tokens, width] and words [vocabulary, width]."""
        table = words.detach().bfloat16()
        summed = states.new_zeros((), dtype=torch.float32)
        to_states = torch.empty_like(states, dtype=torch.bfloat16)
        to_words = torch.zeros_like(table, dtype=torch.float32)
        for part in torch.arange(len(told.following)).split(PIECE):
            here = slice(int(part[0]), int(part[-1]) + 1)
            near = states[here].detach().bfloat16()
            likely = (near @ table.T).float().log_softmax(dim=-1)
            goal, heavy = told.goal(here), told.weights[here, None]
            summed -= (goal * likely * heavy).sum()
            steep = likely.exp_().sub_(goal).mul_(heavy).bfloat16()
            to_states[here] = steep @ table
            to_words += steep.T @ near
        context.save_for_backward(to_states, to_words)
        return summed

    @staticmethod
    def backward(context: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients kept on the way forward."""
        to_states, to_words = context.saved_tensors
        return to_states * slopes[0], to_words * slopes[0], None


@dataclass(frozen=True, slots=True)
class Told:
    """What each next token should be: the one that came, as far as no guide says otherwise.

    Following tokens and their weights [tokens]; a guide's states [tokens, width] and its table of
    words count for `share`.
    """

    following: Tensor
    weights: Tensor
    vocab: int
    states: Tensor | None = None
    words: Tensor | None = None
    share: float = 0.0

    def goal(self, here: slice) -> Tensor:
        """Probabilities [tokens, vocabulary] of a piece of the tokens."""
        wanted = self.following[here]
        if self.states is None or self.words is None:
            goal = torch.zeros(len(wanted), self.vocab)
        else:
            near = self.states[here].bfloat16() @ self.words.detach().bfloat16().T
            goal = near.float().softmax(dim=-1).mul_(self.share)
        known = goal.new_full((len(wanted), 1), 1.0 - self.share)
        return goal.scatter_add_(1, wanted[:, None], known)


@dataclass(frozen=True, slots=True)
class Guide:
    """A larger decoder that a smaller one follows.

    After its layer `ends[n]` the guide's states are what ours should be after our layer n.
    """

    network: Decoder
    ends: tuple[int, ...]
    share: float = 0.5


def loss_of(network: Decoder, batch: Batch, guide: Guide | None = None) -> tuple[Tensor, Tensor]:
    """The summed weighted loss of next tokens, and the summed weights."""
    tokens, weights, dialogues = batch
    tokens, following, dialogues = tokens[:, :-1], tokens[:, 1:], dialogues[:, :-1]
    wanted, far = weights[:, 1:] > 0, torch.zeros(())
    told = Told(following[wanted], weights[:, 1:][wanted], network.shape.vocab)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = network.trace(tokens, dialogues)
        states = network.final_norm(found[-1])
        if guide:
            shown, last = _shown(guide, tokens, dialogues)
            told = replace(
                told, states=last[wanted], words=guide.network.words.weight, share=guide.share
            )
            real = dialogues >= 0
            far = torch.stack([_far(*pair, real) for pair in zip(found, shown, strict=True)]).sum()
    summed: Tensor = NextTokens.apply(  # type: ignore[no-untyped-call]
        states[wanted], network.words.weight, told
    )
    return summed + far * told.weights.sum(), told.weights.sum()


def _shown(guide: Guide, tokens: Tensor, dialogues: Tensor) -> tuple[list[Tensor], Tensor]:
    """The guide's states where ours should be, and its last ones."""
    with torch.no_grad():
        found = guide.network.trace(tokens, dialogues)
        return [found[end] for end in guide.ends], guide.network.final_norm(found[-1])


def _far(ours: Tensor, theirs: Tensor, real: Tensor) -> Tensor:
    """The mean squared distance of states, as a share of each one's square."""
    theirs = theirs[real].float()
    apart = (ours[real].float() - theirs).square().sum(dim=-1)
    return (apart / theirs.square().sum(dim=-1)).mean()


def fit(
    network: Decoder,
    batches: Iterator[Batch],
    plan: Plan,
    state: Path,
    guide: Guide | None = None,
) -> None:
    """Learn until the minutes are over; goes on from `state` where it exists."""
    torch.manual_seed(plan.seed)
    torch.set_num_threads(plan.threads)
    tool = torch.optim.Adam(network.parameters(), lr=plan.rate, betas=(0.9, 0.95), fused=True)
    step, spent = _resume(network, tool, state)
    network.train()
    began = time.monotonic() - spent
    bar = tqdm(initial=step, unit="step", mininterval=10.0)
    while spent < plan.minutes * 60.0:
        factor = pace(spent / (plan.minutes * 60.0), plan)
        tool.param_groups[0]["lr"] = plan.rate * factor
        summed, weight = loss_of(network, next(batches), guide)
        (summed / weight).backward()  # type: ignore[no-untyped-call]
        spent = agree(network, time.monotonic() - began)
        torch.nn.utils.clip_grad_norm_(network.parameters(), plan.steepest)
        tool.step()
        tool.zero_grad(set_to_none=True)
        step += 1
        loss = float(summed.detach() / weight)
        bar.set_postfix(loss=f"{loss:.4f}", pace=f"{factor:.2f}", refresh=False)
        bar.update()
        if step % plan.save_every == 0 and worker() == 0:
            _save(network, tool, (step, spent), state)
    bar.close()
    if worker() == 0:
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
