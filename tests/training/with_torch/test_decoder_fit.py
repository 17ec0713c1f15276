"""How decoders learn: the loss and its gradients, checkpoints, and what stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.with_torch import REASON

torch = pytest.importorskip("torch", reason=REASON)

from tests.training.with_torch.small import counting, loss, network  # noqa: E402
from training.decoder_fit import NextTokens, Plan, Ways, fit  # noqa: E402

FAST = Plan(minutes=0.03, threads=1, rate=3e-3)


def test_the_loss_and_its_gradients_are_those_of_cross_entropy() -> None:
    torch.manual_seed(1)
    states = torch.randn(2_100, 16, requires_grad=True)
    words = torch.randn(40, 16, requires_grad=True)
    following = torch.randint(0, 40, (2_100,))
    weights = torch.rand(2_100)
    each = torch.nn.functional.cross_entropy(states @ words.T, following, reduction="none")
    wanted = (each * weights).sum()
    slopes = torch.autograd.grad(wanted, (states, words))

    found = NextTokens.apply(states, words, following, weights)
    torch.testing.assert_close(found, wanted)
    for slope, exact in zip(torch.autograd.grad(found, (states, words)), slopes, strict=True):
        torch.testing.assert_close(slope, exact, rtol=1e-4, atol=1e-5)


def test_hints_pull_half_way_to_what_the_guide_thinks() -> None:
    torch.manual_seed(2)
    states, guided = torch.randn(50, 16, requires_grad=True), torch.randn(50, 16)
    words, others = torch.randn(40, 16, requires_grad=True), torch.randn(40, 16)
    following, weights = torch.randint(0, 40, (50,)), torch.rand(50)
    aimed = 0.5 * torch.nn.functional.one_hot(following, 40) + 0.5 * (guided @ others.T).softmax(-1)
    wanted = -((states @ words.T).log_softmax(-1) * aimed * weights[:, None]).sum()
    slopes = torch.autograd.grad(wanted, (states, words))

    found = NextTokens.apply(states, words, following, weights, guided, others)
    torch.testing.assert_close(found, wanted)
    for slope, exact in zip(torch.autograd.grad(found, (states, words)), slopes, strict=True):
        torch.testing.assert_close(slope, exact, rtol=1e-4, atol=1e-5)


def test_a_run_ends_after_as_many_batches_as_it_was_given(tmp_path: Path) -> None:
    learnt: list[int] = []
    plan = Plan(minutes=5.0, batches=7, threads=1)
    fit(network(), counting(), plan, tmp_path / "state.pt", Ways(after=learnt.append))

    assert learnt == list(range(1, 8))


def test_a_decoder_learns_to_count(tmp_path: Path) -> None:
    made = network()
    before = loss(made)
    fit(made, counting(), FAST, tmp_path / "state.pt")

    assert loss(made) < 0.7 * before


def test_a_run_goes_on_from_its_checkpoint_and_does_not_begin_again(tmp_path: Path) -> None:
    made, state = network(), tmp_path / "state.pt"
    fit(made, counting(), FAST, state)
    again = network(seed=2)
    fit(again, counting(), FAST, state)  # Its time is up: it only loads.

    for one, other in zip(made.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_what_needs_no_gradient_stays_and_rates_are_by_name(tmp_path: Path) -> None:
    made = network()
    made.layers[0].requires_grad_(False)
    before = {name: each.clone() for name, each in made.state_dict().items()}
    still = {"words.weight"}
    ways = Ways(lambda name: 0.0 if name in still else 1.0)
    fit(made, counting(), FAST, tmp_path / "s.pt", ways)

    after = made.state_dict()
    moved = {name for name, each in before.items() if not torch.equal(each, after[name])}
    assert not {name for name in moved if name.startswith("layers.0.") or name in still}
    assert {name for name in before if name.startswith("layers.1.")} <= moved
