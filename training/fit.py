"""Fits a network to encoded texts, with checkpoints from which a run goes on where it stopped."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from training.encoder import Network

SAVED_EVERY = 300.0
"""Seconds between two checkpoints."""
TOLD_EVERY = 20
"""Batches between two looks at the loss, for which a GPU has to be waited for."""
BUCKET = 50
"""Batches among whose texts those of like length are gathered."""

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast to learn."""

    epochs: int = 1
    batch: int = 64
    minutes: float = 0.0
    rate: float = 1.5e-4
    head_rate: float = 1e-3
    warm_up: float = 0.06
    decay: float = 0.01
    seed: int = 17
    threads: int = 2
    bfloat16: bool = False


class Clock:
    """How much of the time allowed is used up, by earlier tries too; without a limit, none."""

    def __init__(self, minutes: float, used: float = 0.0) -> None:
        self._start = time.monotonic() - used
        self._allowed = minutes * 60.0

    def used(self) -> float:
        """Seconds of learning so far."""
        return time.monotonic() - self._start

    def share(self) -> float:
        """The share of the time that is gone."""
        return self.used() / self._allowed if self._allowed else 0.0


@dataclass(frozen=True, slots=True)
class Done:
    """How far a run has come: batches, and seconds of learning."""

    step: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Encoded:
    """Texts as token numbers, with targets and, for each target, the weight of what is known."""

    tokens: Sequence[Sequence[int]]
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]

    def part(self, rows: Sequence[int]) -> Encoded:
        """These rows."""
        tokens = [self.tokens[row] for row in rows]
        return Encoded(tokens, self.targets[rows], self.weights[rows])


def masked_binary(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Soft binary cross-entropy over the known targets."""
    each = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (each * weights).sum() / len(logits) / 4.0


def soft_classes(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy against soft classes."""
    each = -(targets * functional.log_softmax(logits, dim=-1)).sum(-1)
    return (each * weights[:, 0]).mean()


def pad(tokens: Sequence[Sequence[int]], to: torch.device) -> tuple[Tensor, Tensor]:
    """Token numbers and mask of one batch, as long as its longest text."""
    numbers = np.zeros((len(tokens), max(map(len, tokens))), np.int64)
    mask = np.zeros_like(numbers)
    for row, text in enumerate(tokens):
        numbers[row, : len(text)] = text
        mask[row, : len(text)] = 1
    return torch.from_numpy(numbers).to(to), torch.from_numpy(mask).to(to)


def batches(tokens: Sequence[Sequence[int]], size: int, seed: int) -> list[list[int]]:
    """Indices in batches of texts of like length, in random order."""
    dice = random.Random(seed)
    order = list(range(len(tokens)))
    dice.shuffle(order)
    groups: list[list[int]] = []
    for start in range(0, len(order), size * BUCKET):
        piece = sorted(order[start : start + size * BUCKET], key=lambda i: len(tokens[i]))
        groups += [piece[at : at + size] for at in range(0, len(piece), size)]
    dice.shuffle(groups)
    return groups


def fit(network: Network, data: Sequence[Encoded], loss: Loss, plan: Plan, state: Path) -> None:
    """Learn from one encoded set an epoch; `state` is written as a checkpoint on the way.

    It is also written at the end: a run that is finished has nothing left to learn.
    """
    torch.manual_seed(plan.seed)
    torch.set_num_threads(plan.threads)
    optimiser = _optimiser(network, plan)
    done = _resume(network, optimiser, state)
    network.train()
    bar = tqdm(total=_count(data, plan), initial=done.step, unit="batch", mininterval=5.0)
    clock, saved = Clock(plan.minutes, done.seconds), time.monotonic()
    for batch in islice(_work(data, plan), done.step, None):
        progress = max(done.step / bar.total, clock.share())
        if progress >= 1.0:
            break
        _pace(optimiser, progress, plan)
        value = _step(network, optimiser, loss, batch(), plan)
        if done.step % TOLD_EVERY == 0:
            bar.set_postfix(loss=f"{float(value):.4f}", refresh=False)
        bar.update()
        done = Done(done.step + 1, clock.used())
        if time.monotonic() > saved + SAVED_EVERY:
            _save(network, optimiser, done, state)
            saved = time.monotonic()
    _save(network, optimiser, Done(done.step, clock.used()), state)
    bar.close()


def _work(data: Sequence[Encoded], plan: Plan) -> Iterator[Callable[[], Encoded]]:
    """What makes each batch, epoch after epoch."""
    for epoch in range(plan.epochs):
        whole = data[epoch % len(data)]
        for rows in batches(whole.tokens, plan.batch, plan.seed + epoch):
            yield partial(whole.part, rows)


def _count(data: Sequence[Encoded], plan: Plan) -> int:
    """How many batches that is."""
    sizes = [len(data[epoch % len(data)].tokens) for epoch in range(plan.epochs)]
    return sum(_batches_of(size, plan.batch) for size in sizes)


def _batches_of(texts: int, size: int) -> int:
    """How many batches `batches` makes; it cuts texts into buckets first."""
    full, rest = divmod(texts, size * BUCKET)
    return full * BUCKET + -(-rest // size)


def _optimiser(network: Network, plan: Plan) -> torch.optim.Optimizer:
    heads = list(network.heads.parameters())
    named = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    body = [p for name, p in named if not name.startswith("heads.")]
    groups = [{"params": body, "lr": plan.rate}, {"params": heads, "lr": plan.head_rate}]
    return torch.optim.AdamW(groups, weight_decay=plan.decay, fused=True)


def _pace(optimiser: torch.optim.Optimizer, done: float, plan: Plan) -> None:
    pace = min(done / plan.warm_up, (1.0 - done) / (1.0 - plan.warm_up))
    for group, rate in zip(optimiser.param_groups, (plan.rate, plan.head_rate), strict=True):
        group["lr"] = rate * max(pace, 0.01)


def _step(
    network: Network, optimiser: torch.optim.Optimizer, loss: Loss, batch: Encoded, plan: Plan
) -> Tensor:
    to = place_of(network)
    with torch.autocast(to.type, dtype=torch.bfloat16, enabled=plan.bfloat16):
        logits = network(*pad(batch.tokens, to))
    targets, weights = (torch.from_numpy(part).to(to) for part in (batch.targets, batch.weights))
    value = loss(logits.float(), targets, weights)
    value.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return value.detach()


def _save(network: Network, optimiser: torch.optim.Optimizer, done: Done, state: Path) -> None:
    fresh = state.with_suffix(".new")
    learnt = {"network": network.state_dict(), "optimiser": optimiser.state_dict()}
    torch.save(learnt | {"step": done.step, "seconds": done.seconds}, fresh)
    fresh.replace(state)


def _resume(network: Network, optimiser: torch.optim.Optimizer, state: Path) -> Done:
    if not state.exists():
        return Done()
    saved = torch.load(state, map_location=place_of(network), weights_only=True)
    network.load_state_dict(saved["network"])
    optimiser.load_state_dict(saved["optimiser"])
    return Done(int(saved["step"]), float(saved["seconds"]))


def place_of(network: Network) -> torch.device:
    """Where a network is."""
    return network.heads.weight.device


def predict(
    network: Network, tokens: Sequence[Sequence[int]], bfloat16: bool = False
) -> NDArray[np.float32]:
    """Logits of every text, in order."""
    network.eval()
    to = place_of(network)
    order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))
    found: dict[int, NDArray[np.float32]] = {}
    for batch in _slices(order, 512 if to.type == "cuda" else 128):
        numbers, mask = pad([tokens[i] for i in batch], to)
        with torch.inference_mode(), torch.autocast(to.type, torch.bfloat16, enabled=bfloat16):
            logits = network(numbers, mask).float().cpu().numpy()
        found.update(zip(batch, logits, strict=True))
    return np.stack([found[i] for i in range(len(tokens))])


def _slices(order: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(order), size):
        yield order[start : start + size]
