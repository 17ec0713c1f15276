"""A larger network that judges texts, and targets that follow it where labels are missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.with_torch import REASON

torch = pytest.importorskip("torch", reason=REASON)

from tests.training.with_torch.small import SHAPE  # noqa: E402
from training.fit import Encoded, Plan, _count, _work, fit, masked_binary, predict  # noqa: E402
from training.teacher import Teacher, advised  # noqa: E402

HEADS = 2


def texts(count: int, seed: int = 1) -> Encoded:
    """Texts whose first head is whether they begin with a low token; the second is unknown."""
    dice = np.random.default_rng(seed)
    tokens = [dice.integers(1, SHAPE.vocab, dice.integers(3, 12)).tolist() for _ in range(count)]
    targets = np.zeros((count, HEADS), np.float32)
    targets[:, 0] = [text[0] < SHAPE.vocab // 2 for text in tokens]
    weights = np.tile(np.float32([1.0, 0.0]), (count, 1))
    return Encoded(tokens, targets, weights)


def test_a_teacher_learns_what_texts_begin_with(tmp_path: Path) -> None:
    torch.manual_seed(1)
    teacher, data = Teacher(SHAPE, HEADS), texts(400)
    for each in teacher.decoder.parameters():
        if each.ndim == 2:
            torch.nn.init.normal_(each, std=0.1)
    plan = Plan(epochs=12, batch=32, rate=3e-3, threads=1)
    fit(teacher, [data], masked_binary, plan, tmp_path / "state.pt")

    fresh = texts(200, seed=2)
    right = (predict(teacher, fresh.tokens)[:, 0] > 0.0) == (fresh.targets[:, 0] > 0.5)
    assert right.mean() > 0.9


def test_padding_changes_nothing() -> None:
    torch.manual_seed(1)
    teacher, tokens = Teacher(SHAPE, HEADS), [[5, 9, 3], [7] * 11]
    for each in teacher.decoder.parameters():
        if each.ndim == 2:
            torch.nn.init.normal_(each, std=0.1)
    alone = np.concatenate([predict(teacher, [text]) for text in tokens])

    np.testing.assert_allclose(predict(teacher, tokens), alone, atol=1e-5)


def test_known_targets_move_half_way_and_unknown_ones_all_the_way() -> None:
    data = Encoded([[1]], np.float32([[1.0, 0.0]]), np.float32([[2.0, 0.0]]))
    told = advised(data, np.float32([[0.0, 30.0]]))

    np.testing.assert_allclose(told.targets, [[0.75, 1.0]])
    np.testing.assert_allclose(told.weights, [[2.0, 0.4]])
    assert told.targets.dtype == told.weights.dtype == np.float32


@pytest.mark.parametrize("size", [1, 31, 32, 33, 1600, 1601, 3300])
def test_batches_are_counted_before_they_are_made(size: int) -> None:
    data = Encoded([[1]] * size, np.zeros((size, 1), np.float32), np.zeros((size, 1), np.float32))
    plan = Plan(epochs=2, batch=32)

    assert _count([data], plan) == len(list(_work([data], plan)))
