"""A decoder's graph gives a sequence the same tokens alone, in company, and in shared memory."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from training.decoder_graph import Shape, build, rotations
from training.decoder_random import (
    MARKS,
    TINY,
    byte_tokenizer,
    random_decoder,
    random_maps,
    random_weights,
)
from training.decoder_ranges import empty_cache, matrices, opened

SHAPE = Shape(layers=3, width=128, heads=4, kv_heads=2, wide=256, vocab=512, context=96)
STEPS = 12
Row = NDArray[np.float32]


@cache
def runtime_of(exact: bool) -> Any:
    weights = random_weights(SHAPE, 0)
    return opened(build(weights, SHAPE, None if exact else random_maps(weights, SHAPE)))


def empty(batch: int, length: int = 0) -> dict[str, Row]:
    size = (batch, SHAPE.kv_heads, length, SHAPE.head_dim)
    return {name: np.zeros(size, dtype=np.float32) for name in empty_cache(SHAPE, batch)}


def padded(rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    ids = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    mask = np.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = row
        mask[number, : len(row)] = 1
    return ids, mask


def run(
    exact: bool, ids: NDArray[np.int64], mask: NDArray[np.int64], past: dict[str, Row]
) -> tuple[Row, dict[str, Row]]:
    runtime = runtime_of(exact)
    answers = runtime.run(None, {"input_ids": ids, "attention_mask": mask, **past})
    names = [each.name.replace("present", "past_key_values") for each in runtime.get_outputs()]
    found = dict(zip(names, answers, strict=True))
    return found.pop("logits")[:, 0], found


def alone(exact: bool, prompt: Sequence[int]) -> Row:
    """The logits of every step of a greedy continuation."""
    rows = []
    past = empty(1)
    ids, mask = padded([prompt])
    for _ in range(STEPS):
        logits, past = run(exact, ids, mask, past)
        rows.append(logits[0])
        ids = np.array([[logits[0].argmax()]], dtype=np.int64)
        mask = np.ones((1, mask.shape[1] + 1), dtype=np.int64)
    return np.array(rows)


def bound(
    exact: bool, ids: NDArray[np.int64], mask: NDArray[np.int64], cache: dict[str, Row]
) -> Row:
    """One step in which past and present are the same memory."""
    runtime = runtime_of(exact)
    binding = runtime.io_binding()
    logits = np.zeros((len(ids), 1, SHAPE.vocab), dtype=np.float32)
    binding.bind_cpu_input("input_ids", ids)
    binding.bind_cpu_input("attention_mask", mask)
    binding.bind_output("logits", "cpu", 0, np.float32, logits.shape, logits.ctypes.data)
    for name, part in cache.items():
        place = ("cpu", 0, np.float32, part.shape, part.ctypes.data)
        binding.bind_input(name, *place)
        binding.bind_output(name.replace("past_key_values", "present"), *place)
    runtime.run_with_iobinding(binding)
    return logits[:, 0]


def together(exact: bool, prompts: Sequence[Sequence[int]]) -> Row:
    """As `alone`, for all prompts in one batch and one block of memory: [prompt, step, vocab]."""
    ids, mask = padded(prompts)
    logits, past = run(exact, ids, mask, empty(len(prompts)))
    cache = empty(len(prompts), SHAPE.context)
    for name, part in past.items():
        cache[name][:, :, : part.shape[2]] = part
    rows, lengths = [logits], np.array([len(prompt) for prompt in prompts])
    for _ in range(STEPS - 1):
        lengths += 1
        mask = (np.arange(lengths.max())[None] < lengths[:, None]).astype(np.int64)
        rows.append(bound(exact, rows[-1].argmax(axis=-1)[:, None], mask, cache))
    return np.array(rows).transpose(1, 0, 2)


PROMPTS = [[5, 9, 200, 31], [77], list(range(20, 60)), [300] * 7]


@pytest.mark.parametrize("exact", [True, False])
def test_sequences_of_different_lengths_decode_in_one_batch_as_each_alone(exact: bool) -> None:
    for got, prompt in zip(together(exact, PROMPTS), PROMPTS, strict=True):
        assert np.abs(got - alone(exact, prompt)).max() < 1e-4


def test_bytes_that_lie_apart_give_what_they_give_inside_the_graph() -> None:
    weights = random_weights(SHAPE, 0)
    maps = random_maps(weights, SHAPE)
    small, large = build(weights, SHAPE, maps, apart=True), build(weights, SHAPE, maps)
    assert small.ByteSize() < 0.4 * large.ByteSize()
    ids = np.array([PROMPTS[2]], dtype=np.int64)
    given = {"input_ids": ids, "attention_mask": np.ones_like(ids), **empty(1)}
    one = opened(small, matrices(maps)).run(["logits"], given)[0]
    np.testing.assert_array_equal(one, opened(large).run(["logits"], given)[0])


def test_a_prompt_in_two_pieces_gives_the_logits_of_the_whole() -> None:
    prompt = np.array([PROMPTS[2]], dtype=np.int64)
    whole, _ = run(False, prompt, np.ones_like(prompt), empty(1))
    _, past = run(False, prompt[:, :15], np.ones((1, 15), dtype=np.int64), empty(1))
    pieces, _ = run(False, prompt[:, 15:], np.ones_like(prompt), past)
    assert np.abs(whole - pieces).max() < 1e-3


def test_weights_in_bytes_stay_close_to_single_precision() -> None:
    whole, small = (alone(exact, PROMPTS[2])[0] for exact in (True, False))
    assert np.corrcoef(whole, small)[0, 1] > 0.9


def test_a_watched_decoder_tells_what_flows_into_each_map() -> None:
    model = build(random_weights(SHAPE, 0), SHAPE, watched=True)
    runtime = opened(model)
    ids, mask = padded([PROMPTS[0]])
    names = [each.name for each in runtime.get_outputs() if each.name.startswith("taken.")]
    found = runtime.run(names, {"input_ids": ids, "attention_mask": mask, **empty(1)})
    sizes = {name: states.shape[1:] for name, states in zip(names, found, strict=True)}
    assert len(sizes) == 4 * SHAPE.layers + 1
    assert sizes["taken.layers.2.narrow"] == (ids.shape[1], SHAPE.wide)
    assert sizes["taken.words"] == (ids.shape[1], SHAPE.width)


def test_a_missing_weight_is_named() -> None:
    weights = random_weights(SHAPE, 0)
    del weights["layers.1.widen.weight"]
    with pytest.raises(ValueError, match=r"layers\.1\.widen"):
        build(weights, SHAPE)


def test_rotations_begin_with_no_turn() -> None:
    cosines, sines = rotations(SHAPE)
    assert cosines.shape == (SHAPE.context, SHAPE.head_dim // 2)
    assert (cosines[0] == 1.0).all()
    assert (sines[0] == 0.0).all()


def test_the_random_decoder_and_its_tokenizer_agree(tmp_path: Path) -> None:
    random_decoder(tmp_path, seed=4)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert tokenizer.get_vocab_size() == TINY.vocab
    assert [tokenizer.token_to_id(mark) for mark in MARKS] == [0, 1, 2, 3]
    assert tokenizer.decode(tokenizer.encode("hello wörld").ids) == "hello wörld"


@pytest.mark.parametrize("vocab", [259, 937])
def test_a_tokenizer_that_cannot_be_made_is_refused(vocab: int) -> None:
    with pytest.raises(ValueError, match="cannot be made"):
        byte_tokenizer(vocab)
