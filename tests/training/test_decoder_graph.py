"""A decoder's graph gives a sequence the same tokens alone, in company, and in shared memory."""

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from training.decoder_graph import BLOCK, Shape, blocks, build, rotations
from training.decoder_random import MARKS, TINY, byte_tokenizer, random_decoder, random_weights

SHAPE = Shape(layers=3, width=128, heads=4, kv_heads=2, wide=256, vocab=512, context=96)
STEPS = 12
Row = NDArray[np.float32]


@cache
def opened(bits: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    model = build(random_weights(SHAPE, 0), SHAPE, bits).SerializeToString()
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def empty(batch: int, length: int = 0) -> dict[str, Row]:
    size = (batch, SHAPE.kv_heads, length, SHAPE.head_dim)
    return {
        f"past_key_values.{number}.{part}": np.zeros(size, dtype=np.float32)
        for number in range(SHAPE.layers)
        for part in ("key", "value")
    }


def padded(rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    ids = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    mask = np.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = row
        mask[number, : len(row)] = 1
    return ids, mask


def run(
    bits: int, ids: NDArray[np.int64], mask: NDArray[np.int64], past: dict[str, Row]
) -> tuple[Row, dict[str, Row]]:
    runtime = opened(bits)
    answers = runtime.run(None, {"input_ids": ids, "attention_mask": mask, **past})
    names = [each.name.replace("present", "past_key_values") for each in runtime.get_outputs()]
    found = dict(zip(names, answers, strict=True))
    return found.pop("logits")[:, 0], found


def alone(bits: int, prompt: Sequence[int]) -> Row:
    """The logits of every step of a greedy continuation."""
    rows = []
    past = empty(1)
    ids, mask = padded([prompt])
    for _ in range(STEPS):
        logits, past = run(bits, ids, mask, past)
        rows.append(logits[0])
        ids = np.array([[logits[0].argmax()]], dtype=np.int64)
        mask = np.ones((1, mask.shape[1] + 1), dtype=np.int64)
    return np.array(rows)


def bound(bits: int, ids: NDArray[np.int64], mask: NDArray[np.int64], cache: dict[str, Row]) -> Row:
    """One step in which past and present are the same memory."""
    runtime = opened(bits)
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


def together(bits: int, prompts: Sequence[Sequence[int]]) -> Row:
    """As `alone`, for all prompts in one batch and one block of memory: [prompt, step, vocab]."""
    ids, mask = padded(prompts)
    logits, past = run(bits, ids, mask, empty(len(prompts)))
    cache = empty(len(prompts), SHAPE.context)
    for name, part in past.items():
        cache[name][:, :, : part.shape[2]] = part
    rows, lengths = [logits], np.array([len(prompt) for prompt in prompts])
    for _ in range(STEPS - 1):
        lengths += 1
        mask = (np.arange(lengths.max())[None] < lengths[:, None]).astype(np.int64)
        rows.append(bound(bits, rows[-1].argmax(axis=-1)[:, None], mask, cache))
    return np.array(rows).transpose(1, 0, 2)


PROMPTS = [[5, 9, 200, 31], [77], list(range(20, 60)), [300] * 7]


@pytest.mark.parametrize("bits", [0, 4, 8])
def test_sequences_of_different_lengths_decode_in_one_batch_as_each_alone(bits: int) -> None:
    for got, prompt in zip(together(bits, PROMPTS), PROMPTS, strict=True):
        assert np.abs(got - alone(bits, prompt)).max() < 1e-4


def test_a_prompt_in_two_pieces_gives_the_logits_of_the_whole() -> None:
    prompt = np.array([PROMPTS[2]], dtype=np.int64)
    whole, _ = run(8, prompt, np.ones_like(prompt), empty(1))
    _, past = run(8, prompt[:, :15], np.ones((1, 15), dtype=np.int64), empty(1))
    pieces, _ = run(8, prompt[:, 15:], np.ones_like(prompt), past)
    assert np.abs(whole - pieces).max() < 1e-3


def test_eight_bits_stay_close_to_single_precision() -> None:
    exact, small = (alone(bits, PROMPTS[2])[0] for bits in (0, 8))
    assert np.corrcoef(exact, small)[0, 1] > 0.999


def test_a_matrix_in_blocks_is_within_half_a_step_of_itself() -> None:
    weight = np.random.default_rng(3).standard_normal((6, 2 * BLOCK)).astype(np.float32)
    for bits, middle in ((8, 128), (4, 8)):
        small, scale = blocks(weight, bits)
        if bits == 4:
            small = np.stack([small & 15, small >> 4], axis=-1).reshape(6, 2, BLOCK)
        back = (small.astype(np.float32) - middle) * scale[:, :, None]
        gap = np.abs(back - weight.reshape(back.shape))
        assert (gap <= scale[:, :, None] * 0.5001).all()


def test_rows_without_whole_blocks_are_refused() -> None:
    with pytest.raises(ValueError, match="whole blocks"):
        blocks(np.zeros((4, BLOCK + 1), dtype=np.float32), 8)


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
