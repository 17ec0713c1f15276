"""What a model gets from what a client asked for."""

from pathlib import Path
from typing import Any

import pytest

from generation.asking import Asked, Composer
from generation.assistants import Assistant
from generation.generations import Generation
from generation.memory import Conversation, Memory
from generation.store import Requester
from inference.chat_onnx import ChatTokenizer
from inference.errors import ModelUnavailable, NotFound, TooLarge, Unsupported
from inference.generator import Role, Turn
from inference.versions import TOKENIZER, check_decoder, load
from policy.messages import Author
from tests.generation.answers import (
    NOW_MS,
    Book,
    Remembered,
    a_model,
    a_visitor,
    an_assistant,
    asked,
)

ADA = Author("user-1", "Ada")
EARLIER = (Turn(Role.USER, "My name is Ada."), Turn(Role.ASSISTANT, "Hello Ada."))


def compose(
    request: Asked,
    book: Book | None = None,
    memory: Memory | None = None,
    who: Requester | None = None,
) -> Generation:
    composer = Composer(
        lambda: book or Book(), memory or Remembered(), lambda: NOW_MS, lambda now: f"id-{now}"
    )
    return composer.compose(request, who or a_visitor(), ADA)


def test_the_sites_prompt_goes_before_what_was_asked() -> None:
    found = compose(asked("Hi"))

    assert found.turns == (Turn(Role.SYSTEM, "Be kind."), Turn(Role.USER, "Hi"))
    assert found.judged == 1


def test_a_new_message_continues_the_private_conversation() -> None:
    found = compose(asked("What is my name?"), memory=Remembered(user=EARLIER))

    assert found.turns[1:] == (*EARLIER, Turn(Role.USER, "What is my name?"))
    assert found.judged == 1
    assert found.conversation == Conversation("demo", "user-1")


def test_a_client_that_sends_its_own_history_is_not_reminded() -> None:
    found = compose(asked("Hi", "Hello.", "And?"), memory=Remembered(user=EARLIER))

    assert [turn.content for turn in found.turns] == ["Be kind.", "Hi", "Hello.", "And?"]
    assert found.judged == 3
    assert found.conversation is None


def test_a_program_has_no_conversation_on_the_server_unless_it_names_one() -> None:
    who = a_visitor(session="", api_key="k1")

    found = compose(asked("Hi"), memory=Remembered(user=EARLIER), who=who)

    assert [turn.content for turn in found.turns] == ["Be kind.", "Hi"]
    assert found.conversation is None


PROGRAM = a_visitor(session="", user="ada", api_key="k1")
NAMED = Conversation("demo", "ada", "k1", "trip")


def test_a_programs_new_message_continues_the_conversation_that_it_names() -> None:
    memory = Remembered(user=EARLIER)
    request = Asked(
        "r1", (Turn(Role.SYSTEM, "Rhyme."), Turn(Role.USER, "My name?")), conversation="trip"
    )

    found = compose(request, memory=memory, who=PROGRAM)

    assert memory.asked == [NAMED]
    assert [turn.content for turn in found.turns] == [
        "Be kind.", "Rhyme.", "My name is Ada.", "Hello Ada.", "My name?",
    ]  # fmt: skip
    assert found.judged == 1
    assert found.conversation == NAMED


def test_a_programs_whole_conversation_takes_the_place_of_the_one_that_it_names() -> None:
    memory = Remembered(user=EARLIER)

    found = compose(asked("Hi", "Hello.", "And?", conversation="trip"), memory=memory, who=PROGRAM)

    assert memory.asked == []
    assert [turn.content for turn in found.turns] == ["Be kind.", "Hi", "Hello.", "And?"]
    assert found.conversation == NAMED


def test_what_ends_with_an_assistants_words_is_judged_and_left_as_it_is() -> None:
    turns = (Turn(Role.USER, "Hi"), Turn(Role.ASSISTANT, "@Assistant said"))

    found = compose(Asked("r1", turns), who=PROGRAM)

    assert found.turns[1:] == turns
    assert found.judged == 2


def test_memory_is_asked_only_where_there_may_be_some() -> None:
    person, program = a_visitor(), a_visitor(api_key="k1")
    private, public = asked("And?"), asked("And?", stream="lobby")

    def remembering(assistant: Assistant | None) -> list[bool]:
        composer = Composer(lambda: Book(assistant), Remembered(), lambda: NOW_MS, str)
        cases = [(private, person), (private, program), (public, person), (public, program)]
        cases.append((asked("And?", conversation="42"), program))
        return [composer.remembers(*case) for case in cases]

    assert remembering(an_assistant()) == [True, False, True, True, True]
    assert remembering(an_assistant(memory_tokens=0)) == [False] * 5
    assert remembering(None) == [False] * 5


def test_in_a_stream_its_last_messages_are_remembered_and_not_the_users_own() -> None:
    memory = Remembered(stream=[Turn(Role.USER, "It rains.")], user=EARLIER)

    found = compose(asked("Does it?", stream="lobby"), memory=memory)

    assert [turn.content for turn in found.turns] == ["Be kind.", "It rains.", "Does it?"]
    assert found.conversation is None


def test_the_oldest_turns_are_left_out_where_memory_is_short() -> None:
    long = [Turn(Role.USER, f"{number}: " + "word " * 20) for number in range(10)]

    found = compose(asked("Hi"), memory=Remembered(user=long))

    assert [turn.content[:2] for turn in found.turns[1:-1]] == ["8:", "9:"]


def test_memory_leaves_room_for_the_answer() -> None:
    book = Book(an_assistant(memory_tokens=10_000), models=[a_model(context_tokens=128)])
    long = [Turn(Role.USER, "word " * 20) for _ in range(10)]

    found = compose(asked("Hi"), book, Remembered(user=long))

    assert len(found.turns) == 3
    assert found.sampling.max_tokens == 64


@pytest.mark.parametrize(
    "said",
    [
        "Привет, как дела сегодня? Хочу знать, какая погода будет завтра.",
        "你好，今天天气怎么样？我想知道明天会不会下雨。",
        "مرحبا كيف حالك اليوم؟ أريد أن أعرف حالة الطقس غدا.",
        "Guten Tag, wie geht es Ihnen heute? Ich möchte wissen, wie das Wetter wird.",
        "😀😀👋🏽 🎉🎉🎉",
        "Hello, how are you doing today? I would like to know about the weather.",
    ],
)
@pytest.mark.parametrize("memory_tokens", [256, 10_000])
def test_what_is_remembered_fits_the_model_that_ships(said: str, memory_tokens: int) -> None:
    [folder] = Path("plugins/models").glob("chat-mini-*")
    form = check_decoder(load(folder), "llm")
    book = Book(an_assistant(memory_tokens=memory_tokens, max_tokens=128))
    talk = [Turn(role, said) for role in (Role.USER, Role.ASSISTANT)] * 50

    found = compose(asked(said), book, Remembered(user=talk))

    assert len(found.turns) > 3
    room = form.context - found.sampling.max_tokens
    assert ChatTokenizer(folder / TOKENIZER, form).count(found.turns) <= room


@pytest.mark.parametrize(
    ("given", "taken"), [(None, 64), (10, 10), (1_000_000, 64)], ids=["none", "less", "a million"]
)
def test_the_answers_length_is_clamped(given: int | None, taken: int) -> None:
    assert compose(asked("Hi", max_tokens=given)).sampling.max_tokens == taken


def test_a_model_clamps_too() -> None:
    book = Book(models=[a_model(max_tokens=20)])

    assert compose(asked("Hi"), book).sampling.max_tokens == 20


@pytest.mark.parametrize(("given", "taken"), [(None, 0.7), (0.0, 0.0), (1.5, 1.5)])
def test_a_temperature_of_zero_is_a_temperature(given: float | None, taken: float) -> None:
    assert compose(asked("Hi", temperature=given)).sampling.temperature == taken


@pytest.mark.parametrize(("given", "taken"), [(None, 0.9), (0.2, 0.2), (1.0, 1.0)])
def test_the_assistants_top_p_is_taken_where_none_is_given(
    given: float | None, taken: float
) -> None:
    book = Book(an_assistant(top_p=0.9))

    assert compose(asked("Hi", top_p=given), book).sampling.top_p == taken


def test_a_top_p_of_zero_takes_the_likeliest() -> None:
    sampling = compose(asked("Hi", top_p=0.0, temperature=1.5)).sampling

    assert (sampling.temperature, sampling.top_p) == (0.0, 1.0)


def test_a_foreign_model_is_not_found() -> None:
    book = Book(models=[a_model(), a_model("secret")])

    with pytest.raises(NotFound):
        compose(asked("Hi", model="secret"), book)


def test_a_model_that_is_switched_off_gives_way_to_the_next() -> None:
    book = Book(an_assistant(models=("gone", "chat-mini")))

    assert compose(asked("Hi"), book).model == "chat-mini"


def test_no_model_at_all_is_told() -> None:
    with pytest.raises(ModelUnavailable):
        compose(asked("Hi"), Book(models=[]))


def test_a_site_without_an_assistant_does_not_answer() -> None:
    with pytest.raises(Unsupported):
        compose(asked("Hi"), Book(site_wide=None))


def test_a_stream_may_have_its_own_assistant() -> None:
    book = Book(by_stream={"help": an_assistant(name="Helper")})

    assert compose(asked("Hi", stream="help"), book).assistant.name == "Helper"


def test_a_prompt_far_beyond_the_context_is_refused_at_once() -> None:
    with pytest.raises(TooLarge):
        compose(asked("word " * 2_000))


def test_a_programs_system_turn_comes_after_the_sites_and_is_not_judged() -> None:
    turns = (Turn(Role.SYSTEM, "Answer in rhyme."), Turn(Role.USER, "Hi"))

    found = compose(Asked("r1", turns), who=a_visitor(api_key="k1"))

    assert [turn.content for turn in found.turns] == ["Be kind.", "Answer in rhyme.", "Hi"]
    assert found.judged == 1


def test_what_a_verdict_allowed_is_not_judged_again() -> None:
    assert compose(asked("Hi", judged_before=True)).judged == 0


def test_a_generation_is_the_same_after_it_was_stored() -> None:
    found = compose(asked("Hi 🎉", "Ho", "Hm?", seed=7, stop=("\n", "User:")))

    stored: dict[str, Any] = found.as_json()

    assert Generation.from_json(stored) == found
    assert found.deadline_ms == found.accepted_ms + 30_000


def test_an_assistant_says_how_long_its_answers_may_wait() -> None:
    found = compose(asked("Hi"), Book(an_assistant(wait_s=7)))

    assert found.deadline_ms == found.accepted_ms + 7_000
