"""Decoders whose weights are rounded, and that go on learning."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from tests.training.with_torch import REASON

torch = pytest.importorskip("torch", reason=REASON)

from tests.training.with_torch.small import counting, loss, network  # noqa: E402
from training import chat_round  # noqa: E402
from training.coarse import LARGEST, bits, nearest, share_for, steps_of  # noqa: E402
from training.decoder import Decoder  # noqa: E402
from training.decoder_fit import Plan, Ways, fit  # noqa: E402
from training.decoder_rounding import Rounded, rounded  # noqa: E402
from training.straight_through import Coarser, Product, fixed, loosen, rate_of  # noqa: E402

BITS = 2.0


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """The weights of a decoder that counts."""
    made = network()
    plan = Plan(minutes=5.0, batches=120, threads=1, rate=3e-3)
    fit(made, counting(), plan, tmp_path_factory.mktemp("run") / "state.pt")
    return dict(made.state_dict())


@pytest.fixture
def counter(learnt: dict[str, torch.Tensor]) -> Decoder:
    made = Decoder(network().shape)
    made.load_state_dict(learnt)
    return made


def rounds(made: Decoder) -> dict[str, Rounded]:
    return dict(rounded(made, islice(counting(5), 8), BITS))


def test_rounding_takes_as_many_bits_as_were_asked_for(counter: Decoder) -> None:
    layers = {name: each for name, each in rounds(counter).items() if name != "words"}
    taken = sum(bits(each.levels) for each in layers.values())

    assert taken / sum(each.levels.size for each in layers.values()) == pytest.approx(BITS, abs=0.1)


def test_rounding_loses_less_than_the_nearest_levels(
    counter: Decoder, learnt: dict[str, torch.Tensor]
) -> None:
    exact, found = loss(counter), rounds(counter)
    after = loss(counter)
    maps = {name: learnt[f"{name}.weight"].numpy() for name in found if name != "words"}
    share = share_for(list(maps.values()), BITS)
    with torch.no_grad():
        for name, weight in maps.items():
            steps = steps_of(weight, share)
            near = torch.from_numpy(nearest(weight, steps) * steps[:, None])
            counter.get_submodule(name).weight.copy_(near)

    assert after - exact < 0.8 * (loss(counter) - exact)


def test_rounded_levels_get_the_gradient_of_what_was_used() -> None:
    levels = torch.tensor([[0.4, -1.6], [2.5, 90.0]], requires_grad=True)
    steps = torch.tensor([0.5, 0.25], requires_grad=True)
    used = Product.apply(levels, steps)
    assert used.tolist() == [[0.0, -1.0], [0.5, LARGEST * 0.25]]

    used.backward(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert levels.grad.tolist() == [[0.5, 1.0], [0.75, 1.0]]
    assert steps.grad.tolist() == [-4.0, 3.0 * 2 + 4.0 * LARGEST]


def test_loosening_changes_nothing_of_what_is_used(counter: Decoder) -> None:
    found = rounds(counter)
    before = loss(counter)
    loosen(counter, found)

    assert loss(counter) == pytest.approx(before, abs=1e-5)
    assert counter.layers[0].widen.weight.requires_grad


def test_learning_while_rounded_wins_back_what_rounding_lost(
    counter: Decoder, tmp_path: Path
) -> None:
    found = rounds(counter)
    before = loss(counter)
    for part in (counter.words, counter.layers[0]):
        part.requires_grad_(False)
    loosen(counter, found)
    plan = Plan(minutes=5.0, batches=120, threads=1, rate=1e-3)
    fit(counter, counting(), plan, tmp_path / "state.pt", Ways(rate_of))
    after = fixed(counter, found)

    assert loss(counter) < 0.9 * before
    assert not [name for name, _ in counter.named_parameters() if "parametrizations" in name]
    for name, each in after.items():
        assert each.levels.dtype == np.int8
        assert np.abs(each.levels).max() <= LARGEST
        assert torch.equal(counter.get_submodule(name).weight, each.weight)
        moved = not np.array_equal(each.levels, found[name].levels)
        assert moved == name.startswith("layers.1.")


def test_levels_grow_coarser_until_they_take_few_enough_bits(counter: Decoder) -> None:
    loosen(counter, rounds(counter))
    generous, strict = Coarser(counter, 3.0), Coarser(counter, 1.6)
    before, taken = loss(counter), generous.bits()
    generous(10)
    assert generous.bits() == taken
    strict(11)
    assert strict.bits() == taken  # It looks after every tenth batch only.
    for _ in range(3):
        strict(10)

    assert strict.bits() == pytest.approx(1.6, abs=0.05)
    assert loss(counter) > before  # What is coarser is less exact.


def test_what_was_rounded_is_read_back(
    counter: Decoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_round, "SHAPE", counter.shape)
    found = rounds(counter)
    chat_round.save(tmp_path / "rounded.npz", counter, found)
    again, maps = chat_round.read_rounded(tmp_path / "rounded.npz")

    for name, value in counter.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    assert maps.keys() == found.keys()
    for name, (levels, steps) in maps.items():
        assert np.array_equal(levels, found[name].levels)
        assert np.array_equal(steps, found[name].steps)
