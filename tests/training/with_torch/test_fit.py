"""A run that was stopped goes on as if it had not been, and is never begun again when finished."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.with_torch import REASON

torch = pytest.importorskip("torch", reason=REASON)

from torch import Tensor  # noqa: E402

from tests.training.with_torch.small import SHAPE  # noqa: E402
from training import fit as learning  # noqa: E402
from training.fit import Clock, Encoded, Plan, fit, masked_binary, soft_classes  # noqa: E402
from training.teacher import Teacher  # noqa: E402

HEADS = 2
PLAN = Plan(epochs=2, batch=8, rate=1e-3, threads=1)


def texts(count: int = 96) -> Encoded:
    dice = np.random.default_rng(1)
    tokens = [dice.integers(1, SHAPE.vocab, dice.integers(3, 12)).tolist() for _ in range(count)]
    targets = dice.integers(0, 2, (count, HEADS)).astype(np.float32)
    return Encoded(tokens, targets, np.ones_like(targets))


def beginner() -> Teacher:
    torch.manual_seed(4)
    network = Teacher(SHAPE, HEADS)
    for each in network.decoder.parameters():
        if each.ndim == 2:
            torch.nn.init.normal_(each, std=0.1)
    return network


class PowerCut(Exception):
    """What stops a run."""


def cut_after(batches: int) -> learning.Loss:
    """The loss of a machine that goes off after so many batches."""
    left = batches

    def loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        nonlocal left
        if left == 0:
            raise PowerCut
        left -= 1
        return masked_binary(logits, targets, weights)

    return loss


def counted() -> tuple[learning.Loss, list[int]]:
    """The usual loss, and how many texts each batch had."""
    sizes: list[int] = []

    def loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        sizes.append(len(logits))
        return masked_binary(logits, targets, weights)

    return loss, sizes


@pytest.mark.parametrize("stop", [1, 7, 12, 17])
def test_a_stopped_run_ends_with_the_weights_of_one_that_went_through(
    stop: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    through, stopped, data = beginner(), beginner(), [texts()]
    fit(through, data, masked_binary, PLAN, tmp_path / "through.pt")
    monkeypatch.setattr(learning, "SAVED_EVERY", -1.0)
    with pytest.raises(PowerCut):
        fit(stopped, data, cut_after(stop), PLAN, tmp_path / "stopped.pt")

    again = beginner()
    loss, sizes = counted()
    fit(again, data, loss, PLAN, tmp_path / "stopped.pt")

    assert len(sizes) == 24 - stop
    expected = through.state_dict()
    for name, value in again.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=0.0, atol=0.0)


def test_a_finished_run_is_taken_from_its_checkpoint(tmp_path: Path) -> None:
    first, second, data = beginner(), beginner(), [texts()]
    fit(first, data, masked_binary, PLAN, tmp_path / "state.pt")
    fit(second, data, cut_after(0), PLAN, tmp_path / "state.pt")

    expected = first.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in second.state_dict().items())


def test_a_run_whose_time_was_up_learns_no_more(tmp_path: Path) -> None:
    data, state = [texts()], tmp_path / "state.pt"
    fit(beginner(), data, masked_binary, Plan(epochs=1, batch=8, threads=1), state)
    saved = torch.load(state, weights_only=True)
    torch.save(saved | {"step": 3, "seconds": 60.5}, state)

    fit(beginner(), data, cut_after(0), Plan(epochs=1, batch=8, minutes=1.0, threads=1), state)


def test_time_that_an_earlier_try_took_counts(tmp_path: Path) -> None:
    """A clock that began anew would raise the learning rate again."""
    network, data = beginner(), [texts()]
    fit(network, data, masked_binary, Plan(epochs=1, batch=8, threads=1), tmp_path / "state.pt")
    saved = torch.load(tmp_path / "state.pt", weights_only=True)
    torch.save(saved | {"step": 3, "seconds": 59.0}, tmp_path / "state.pt")

    plan, rates = Plan(epochs=1, batch=8, minutes=1.0, rate=1e-3, threads=1), []
    usual = learning._pace

    def pace(optimiser: torch.optim.Optimizer, done: float, plan: Plan) -> None:
        usual(optimiser, done, plan)
        rates.append(optimiser.param_groups[0]["lr"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning, "_pace", pace)
        fit(beginner(), data, masked_binary, plan, tmp_path / "state.pt")
    assert rates
    assert max(rates) < 1e-3 / 50


def test_a_clock_goes_on_from_what_was_used() -> None:
    assert 0.5 <= Clock(1.0, used=30.0).share() < 0.6
    assert Clock(0.0, used=30.0).share() == 0.0


def test_an_unknown_target_moves_nothing() -> None:
    logits = torch.tensor([[0.3, -2.0], [1.5, 0.7]], requires_grad=True)
    weights = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    masked_binary(logits, torch.tensor([[1.0, 1.0], [0.0, 0.0]]), weights).backward()

    assert logits.grad is not None
    assert (logits.grad == 0.0).tolist() == (weights == 0.0).tolist()


def test_a_text_of_no_weight_moves_nothing() -> None:
    logits = torch.tensor([[0.3, -2.0, 0.1], [1.5, 0.7, 0.2]], requires_grad=True)
    targets = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    soft_classes(logits, targets, torch.tensor([[0.0] * 3, [1.0] * 3])).backward()

    assert logits.grad is not None
    assert logits.grad[0].tolist() == [0.0] * 3
    assert logits.grad[1].abs().min() > 0.0
