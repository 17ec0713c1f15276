"""Dialogues become tokens without waste, and ours keep the assistant's manner."""

import json
import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, pre_tokenizers

from inference.generator import Role, Sampling, Turn
from rtai_project import first_run
from training import chat_judge, chat_sources, chat_words
from training.chat_judge import JUDGED
from training.chat_sources import Dialogue, alternating
from training.chat_tokens import Piece, encode, rows
from training.dialogues.compose import Step, Topic, Writer, noisy, part, prompts, read, topics
from training.holdout import fingerprint

CLAIMS = re.compile(
    r"\b(our office is|I am a person|I'm a person|I'm human|call us at|I have refunded"
    r"|as an AI language model)\b",
    re.IGNORECASE,
)


def tokenizer() -> Tokenizer:
    return chat_words.tokenizer(sorted(pre_tokenizers.ByteLevel.alphabet()), [])


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


def test_only_what_has_to_be_guessed_is_weighed() -> None:
    words = tokenizer()
    (piece,) = encode(words, [Dialogue(("ab", "c"), "x", "s")], 0.25, 64)

    def said(*shares: float) -> str:
        found = [t for t, w in zip(piece.tokens, piece.weights, strict=True) if w in shares]
        return str(words.decode(found, skip_special_tokens=False))

    assert said(0.25) == "ab<|im_end|>"
    assert said(1.0) == "c<|im_end|>"
    assert said(0.0, 0.25, 1.0) == (
        "<|im_start|>system\ns<|im_end|>\n"
        "<|im_start|>user\nab<|im_end|>\n"
        "<|im_start|>assistant\nc<|im_end|>\n"
    )


def test_a_dialogue_without_a_system_prompt_begins_with_its_person() -> None:
    words = tokenizer()
    (piece,) = encode(words, [Dialogue(("ab", "c"), "x")], 1.0, 64)
    found = words.decode(piece.tokens, skip_special_tokens=False)
    assert found.startswith("<|im_start|>user\nab")


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


def test_dialogues_repeat_with_their_seed() -> None:
    writer = Writer()
    assert writer.write(40, seed=3) == writer.write(40, seed=3)
    assert writer.write(40, seed=3) != writer.write(40, seed=4)


def test_dialogues_alternate_and_some_have_a_system_prompt() -> None:
    found = Writer().write(400, seed=1)
    assert all(each.turns and len(each.turns) % 2 == 0 for each in found)
    assert 0.3 < sum(bool(each.system) for each in found) / len(found) < 0.8
    assert {each.system for each in found} > {*prompts()[:3], ""}


def test_a_block_is_read_as_its_steps(tmp_path: Path) -> None:
    file = tmp_path / "some.txt"
    file.write_text("S: Be kind.\nU: a\nU: b: c\nA: d\nU: e\nA: f\nA: g\n \nU: h\nA: i\n")
    first, second = read(file)
    assert first == Topic(
        "some.0", (Step(("a", "b: c"), ("d",)), Step(("e",), ("f", "g"))), "Be kind."
    )
    assert second == Topic("some.1", (Step(("h",), ("i",)),))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("U: a\nB: b", "begins with S:, U: or A:"),
        ("U: a\nA:", "begins with S:, U: or A:"),
        ("A: a", "where something has to be said"),
        ("U: a\nS: b\nA: c", "where something has to be said"),
        ("U: a\nA: b\nU: c", "ends without an answer"),
    ],
)
def test_a_malformed_block_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "some.txt"
    file.write_text(text)
    with pytest.raises(ValueError, match=rf"some\.0.*{complaint}"):
        list(read(file))


def test_people_say_many_things_and_are_answered_in_many_ways() -> None:
    steps = [step for topic in topics() for step in topic.steps]
    assert len({text for step in steps for text in step.said}) > 5_000
    assert len({text for step in steps for text in step.answers}) > 5_000


def test_answers_are_short_and_claim_nothing() -> None:
    found = [text for topic in topics() for step in topic.steps for text in step.answers]
    assert max(len(text.split()) for text in found) <= 45
    assert not [text for text in found if CLAIMS.search(text)]


def test_no_prompt_that_is_judged_is_taught() -> None:
    judged = {json.loads(line)["prompt"].lower() for line in JUDGED.read_text().splitlines()}
    said = {text.lower() for topic in topics() for step in topic.steps for text in step.said}
    assert not judged & said


def test_a_person_is_misspelt_now_and_then_but_never_emptied() -> None:
    dice = random.Random(2)
    found = {noisy("Where is my parcel?", dice) for _ in range(200)}
    assert len(found) > 3
    assert all(found)


def test_replies_are_judged_as_the_first_assistant_gives_them() -> None:
    prompt = chat_judge.prompt("Hello!", chat_judge.TEMPERATURE, seed=7)

    told = prompt.turns, prompt.sampling
    assert told == (
        (Turn(Role.SYSTEM, first_run.SYSTEM_PROMPT), Turn(Role.USER, "Hello!")),
        Sampling(first_run.MAX_TOKENS, first_run.TEMPERATURE, first_run.TOP_P, seed=7),
    )


def test_eight_words_in_a_row_are_found_whatever_their_marks() -> None:
    text = ["We said: one two, three four five six seven eight nine."]
    replies = ["One, two three four five six seven eight!", "one two three four five six seven"]
    assert chat_judge.shared(replies, text) == [True, False]


def test_some_topics_are_kept_to_measure_on() -> None:
    learnt, kept = part(False), part(True)
    assert len(learnt) + len(kept) == len(topics())
    assert 0.015 < len(kept) / len(topics()) < 0.035
    said = {text for topic in kept for step in topic.steps for text in step.said}
    written = {turn for each in Writer(kept=True).write(100, seed=3) for turn in each.turns[::2]}
    assert len({text.lower() for text in said} & {text.lower() for text in written}) > 30
