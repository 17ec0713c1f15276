"""Fewer words still write every text; weights keep their meaning on the way to our names."""

import numpy as np
import pytest
from tokenizers import pre_tokenizers

from training.chat_tokens import MARKS
from training.chat_words import choose, tokenizer
from training.decoder_graph import Shape, halves, rotations

BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
MERGES = [("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o"), ("y", "o"), ("yo", "u")]
TOKENS = [*BYTES, "he", "ll", "hell", "hello", "yo", "you"]


def test_the_most_used_words_stay_with_what_they_are_merged_from() -> None:
    chosen = choose(TOKENS, MERGES, ["hello", "hello", "you"], len(BYTES) + 4)
    assert set(chosen) - set(BYTES) == {"he", "ll", "hell", "hello"}


def test_a_word_that_does_not_fit_with_its_parts_is_left_out() -> None:
    chosen = choose(TOKENS, MERGES, ["hello", "hello", "you"], len(BYTES) + 3)
    assert set(chosen) - set(BYTES) == {"yo", "you"}


@pytest.mark.parametrize("text", ["hello you 42", "Ça va? 😀", "<|end|> \x00 ‰"])
def test_every_text_survives_the_thinned_tokenizer(text: str) -> None:
    found = tokenizer(choose(TOKENS, MERGES, ["you"], len(BYTES) + 2), MERGES)
    assert found.decode(found.encode(text).ids, skip_special_tokens=False) == text


def test_marks_have_the_first_numbers_and_digits_stand_alone() -> None:
    found = tokenizer(TOKENS, MERGES)
    assert [found.token_to_id(mark) for mark in MARKS] == [0, 1]
    assert found.encode("42").tokens == ["4", "2"]


def test_rotating_halves_is_rotating_neighbours_in_another_order() -> None:
    shape = Shape(layers=1, width=8, heads=1, kv_heads=1, wide=8, vocab=9, context=16)
    dice = np.random.default_rng(1)
    query, key = (dice.standard_normal((8, 8)).astype(np.float32) for _ in range(2))
    states = dice.standard_normal((16, 8)).astype(np.float32)
    cosines, sines = rotations(shape)

    def neighbours(heads: np.ndarray) -> np.ndarray:
        one, two = heads[:, 0::2], heads[:, 1::2]
        turned = (one * cosines - two * sines, two * cosines + one * sines)
        return np.stack(turned, axis=-1).reshape(heads.shape)

    def in_halves(heads: np.ndarray) -> np.ndarray:
        one, two = np.split(heads, 2, axis=1)
        return np.concatenate((one * cosines - two * sines, two * cosines + one * sines), axis=1)

    theirs = neighbours(states @ query.T) @ neighbours(states @ key.T).T
    ours = in_halves(states @ halves(query, shape).T) @ in_halves(states @ halves(key, shape).T).T
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
