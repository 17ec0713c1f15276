"""Dialogues become tokens without waste, and ours keep the assistant's manner."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from training import chat_judge, chat_sources
from training.chat_sources import Dialogue, alternating
from training.chat_tokens import ASSISTANT, END, SYSTEM, USER, Piece, encode, rows, train_tokenizer
from training.chat_words import words_from
from training.decoder_random import MARKS, byte_tokenizer
from training.dialogues.compose import WEIGHTS, Topic, noisy, topics
from training.dialogues.grammar import capitals, expand, lists
from training.holdout import fingerprint

FILES = tuple(name for name in WEIGHTS if name != "clinc")
ALL_TOPICS = [topic for file in FILES for topic in topics(file)]
CLAIMS = re.compile(
    r"\b(we are open|we're open|open from|our office is|I am a person|I'm a person|I'm human"
    r"|call us at|within \d+ days|free shipping)\b",
    re.IGNORECASE,
)


def tokenizer() -> Tokenizer:
    return byte_tokenizer(260)


def answers() -> Iterator[str]:
    """Many of the sentences that our assistant is taught."""
    dice = random.Random(5)
    texts = [text for topic in ALL_TOPICS for step in topic.steps for text in step.answers]
    texts += [text for found in lists("answers.txt").values() for text in found]
    for text in texts:
        for _ in range(12):
            yield capitals(expand(text, dice, {"myname": "Robin"}))


def test_what_one_speaker_says_in_a_row_becomes_one_turn() -> None:
    turns = [("A", "Hi "), ("A", "there."), ("B", "Hello\n you"), ("A", " "), ("B", "again")]
    assert alternating(turns) == ("Hi there.", "Hello you again")


def test_a_dialogue_with_a_held_out_turn_is_dropped() -> None:
    kept = Dialogue(("a", "b"), "x")
    secret = Dialogue(("a", "Do not TRAIN on me!"), "x")
    hashes = frozenset({fingerprint("do not train on me")})
    assert chat_sources.drop_held_out([kept, secret], hashes) == [kept]


def test_dialogues_survive_a_file(tmp_path: Path) -> None:
    found = [Dialogue(("one", "zwei ü"), "x"), Dialogue(("three", "four", "five"), "y")]
    chat_sources.save(found, tmp_path / "dialogues.jsonl.gz")
    assert chat_sources.load(tmp_path / "dialogues.jsonl.gz") == found


def test_marks_have_the_first_numbers_of_a_learnt_tokenizer() -> None:
    found = train_tokenizer(["hello there, how are you?"] * 5, 300)
    assert [found.token_to_id(mark) for mark in MARKS] == [SYSTEM, USER, ASSISTANT, END]
    assert found.decode(found.encode("Ça va? 😀").ids) == "Ça va? 😀"


def test_only_what_has_to_be_guessed_is_weighed() -> None:
    (piece,) = encode(tokenizer(), [Dialogue(("ab", "c"), "x", "s")], 0.25, 64)
    marks = [token for token in piece.tokens if token < len(MARKS)]
    assert marks == [SYSTEM, END, USER, END, ASSISTANT, END]
    assert piece.weights == (0.0, 0.0, 0.0, 0.0, 0.25, 0.25, 0.25, 0.0, 1.0, 1.0)


def test_a_dialogue_without_a_system_prompt_begins_with_its_person() -> None:
    (piece,) = encode(tokenizer(), [Dialogue(("ab", "c"), "x")], 1.0, 64)
    assert piece.tokens[0] == USER


def test_a_long_dialogue_is_cut() -> None:
    (piece,) = encode(tokenizer(), [Dialogue(("a" * 90, "b"), "x")], 1.0, 16)
    assert len(piece.tokens) == len(piece.weights) == 16


@given(st.lists(st.integers(1, 40), max_size=120))
@settings(deadline=None)
def test_rows_hold_every_piece_once_and_never_too_much(sizes: list[int]) -> None:
    pieces = [Piece((number,) * size, (1.0,) * size) for number, size in enumerate(sizes)]
    packed = list(rows(pieces, 40))
    assert sorted(p.tokens[0] for row in packed for p in row) == list(range(len(sizes)))
    assert all(sum(len(piece.tokens) for piece in row) <= 40 for row in packed)


def test_little_of_a_row_is_left_empty() -> None:
    dice = random.Random(3)
    pieces = [Piece((1,) * size, (1.0,) * size) for size in dice.choices(range(5, 200), k=2000)]
    packed = list(rows(pieces, 256))
    assert sum(len(piece.tokens) for piece in pieces) / (256 * len(packed)) > 0.95


def test_words_begin_as_kin_of_the_encoders_pieces() -> None:
    ours = train_tokenizer(["hello world"] * 3, 280)
    known = np.random.default_rng(1).standard_normal((4, 96)).astype(np.float32)
    vocabulary = {"[UNK]": 0, "hello": 1, "wor": 2, "##ld": 3}
    table = words_from(known, vocabulary, ours, seed=2)
    centred = known - known.mean(axis=0)
    hello = ours.encode("hello").ids
    assert len(hello) == 1
    assert np.corrcoef(table[hello[0]], centred[1])[0, 1] > 0.8
    assert np.isfinite(table).all()


def test_choices_and_slots_are_filled() -> None:
    slots: dict[str, str] = {}
    found = expand("[a|a] {food} [b|b [c|c]] {food} , {food}", random.Random(1), slots)
    value = slots["food"]
    assert found in {f"a {value} b {value}, {value}", f"a {value} b c {value}, {value}"}


def test_an_unknown_slot_is_refused() -> None:
    with pytest.raises(KeyError):
        expand("{nothing_of_this_name}", random.Random(1), {})


def test_sentences_begin_with_capitals() -> None:
    assert capitals("hi there! how are you? fine.") == "Hi there! How are you? Fine."


@pytest.mark.parametrize("topic", ALL_TOPICS, ids=lambda topic: topic.name)
def test_every_topic_can_be_said_and_answered_in_several_ways(topic: Topic) -> None:
    assert topic.steps
    for step in topic.steps:
        dice = random.Random(7)
        slots = {"myname": "Robin"}
        said = {expand(dice.choice(step.said), dice, dict(slots)) for _ in range(60)}
        answered = {expand(dice.choice(step.answers), dice, dict(slots)) for _ in range(60)}
        assert len(said) > 1
        assert len(answered) > 3
        assert not [text for text in said | answered if set("[]{}|") & set(text) or not text]


def test_people_say_many_things() -> None:
    said = {text for topic in ALL_TOPICS for step in topic.steps for text in step.said}
    assert len(said) > 400


def test_answers_are_short_and_claim_nothing() -> None:
    found = list(answers())
    assert max(len(text.split()) for text in found) <= 45
    assert not [text for text in found if CLAIMS.search(text)]


def test_a_person_is_misspelt_now_and_then_but_never_emptied() -> None:
    dice = random.Random(2)
    found = {noisy("Where is my parcel?", dice) for _ in range(200)}
    assert len(found) > 3
    assert all(found)


def test_eight_words_in_a_row_are_found_whatever_their_marks() -> None:
    text = ["We said: one two, three four five six seven eight nine."]
    replies = ["One, two three four five six seven eight!", "one two three four five six seven"]
    assert chat_judge.shared(replies, text) == [True, False]
