"""When the assistant answers by itself."""

import pytest

from generation.assistants import Assistant, Trigger
from generation.triggers import answerable, calls, mentions, without_mention
from policy.messages import Author
from policy.policy import Action
from tests.builders import a_message, a_verdict
from tests.generation.answers import an_assistant


@pytest.mark.parametrize(
    "text", ["@Assistant hi", "hi @assistant", "(@ASSISTANT)", "@assistant, why?", "@Assistant"]
)
def test_a_mention_is_found_in_any_case(text: str) -> None:
    assert mentions(text, "@Assistant")


@pytest.mark.parametrize(
    "text", ["assistant", "mail@assistant", "@assistants", "@assistant2", "@ assistant", ""]
)
def test_what_only_looks_like_a_mention_is_none(text: str) -> None:
    assert not mentions(text, "@Assistant")


def test_a_mention_after_a_word_that_holds_it_is_found() -> None:
    assert mentions("me@assistant or @assistant", "@Assistant")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("@Assistant, how are you?", "how are you?"),
        ("How are you, @assistant?", "How are you, ?"),
        ("Hi @Assistant: why", "Hi why"),
        ("@Assistant", "@Assistant"),
        ("İ @assistant why", "İ why"),
        ("nobody", "nobody"),
    ],
)
def test_the_model_is_not_told_its_name(text: str, left: str) -> None:
    assert without_mention(text, "@Assistant") == left


def test_an_assistant_never_answers_an_assistant() -> None:
    message = a_message(author=Author("assistant", "Assistant", "assistant"))

    assert not calls(an_assistant(trigger=Trigger.ALWAYS), message)


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [(Trigger.ALWAYS, ["a", "b"]), (Trigger.MENTION, ["b"]), (Trigger.NEVER, [])],
)
def test_only_published_messages_are_answered(trigger: Trigger, expected: list[str]) -> None:
    verdicts = [
        a_verdict(message=a_message(ref="a", text="Hello.")),
        a_verdict(message=a_message(ref="b", text="@assistant hello")),
        a_verdict(Action.BLOCK, message=a_message(ref="c", text="@assistant you fool")),
        a_verdict(Action.HOLD, message=a_message(ref="d", text="@assistant you fool")),
    ]

    found = answerable(verdicts, lambda *_: an_assistant(trigger=trigger))

    assert [message.ref for message, _ in found] == expected


def test_a_stream_without_an_assistant_gets_no_answers() -> None:
    def nobody(site: str, stream: str) -> Assistant | None:
        return None

    assert answerable([a_verdict()], nobody) == []
