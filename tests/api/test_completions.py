"""OpenAI's chat completions: what is understood, what is refused, what is answered."""

import json
from typing import Any

import pytest

from api import openai_errors
from api.completion_requests import MAX_CONTENT, MAX_TURNS, wanted
from api.completions import DONE, Completion
from generation.generations import FinishReason, OnDisconnect, Usage
from inference.errors import BadFrame, RateLimited, RtaiError, TooLarge, Unsupported
from inference.generator import Role, Turn

HI = {"role": "user", "content": "Hi"}
IMAGE = {"role": "user", "content": [{"type": "image_url", "image_url": {}}]}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "c1"}]}


def a_body(**changes: Any) -> dict[str, Any]:
    return {"model": "chat-mini", "messages": [HI], **changes}


def events(data: bytes) -> list[Any]:
    lines = [line for line in data.decode().split("\n\n") if line]
    return [line[6:] if line[6:] == "[DONE]" else json.loads(line[6:]) for line in lines]


def test_a_plain_request_is_understood() -> None:
    found = wanted(a_body(), "r1")

    assert found.asked.turns == (Turn(Role.USER, "Hi"),)
    assert (found.asked.ref, found.asked.model) == ("r1", "chat-mini")
    assert found.asked.on_disconnect is OnDisconnect.CANCEL
    assert (found.streams, found.usage_at_end, found.user) == (False, False, "")


def test_every_setting_is_understood() -> None:
    body = a_body(
        stream=True,
        stream_options={"include_usage": True},
        max_tokens=5,
        max_completion_tokens=9,
        temperature=0,
        top_p=0.5,
        seed=-1,
        stop=["a", "b"],
        user="ada",
    )

    found = wanted(body, "r1")

    assert (found.streams, found.usage_at_end, found.user) == (True, True, "ada")
    assert (found.asked.max_tokens, found.asked.temperature, found.asked.top_p) == (9, 0.0, 0.5)
    assert found.asked.seed == 2**63 - 1
    assert found.asked.stop == ("a", "b")


def test_what_is_null_counts_as_absent() -> None:
    body = a_body(stream=None, stop=None, seed=None, tools=None, temperature=None)

    assert wanted(body, "r1") == wanted(a_body(), "r1")


def test_what_is_not_said_of_sampling_is_left_to_the_assistant() -> None:
    found = wanted(a_body(), "r1").asked

    assert (found.max_tokens, found.temperature, found.top_p) == (None, None, None)


def test_what_asks_for_nothing_special_is_let_through() -> None:
    body = a_body(n=1, tools=[], presence_penalty=0.0, logprobs=False, logit_bias={}, store=True)

    assert wanted(body, "r1") == wanted(a_body(), "r1")


def test_the_parts_of_a_message_are_put_together() -> None:
    parts = [{"type": "text", "text": "Hi "}, {"type": "text", "text": "there"}]

    found = wanted(a_body(messages=[{"role": "user", "content": parts}]), "r1")

    assert found.asked.turns[0].content == "Hi there"


def test_a_developer_speaks_for_the_system() -> None:
    messages = [{"role": "developer", "content": "Rhyme."}, HI]

    assert wanted(a_body(messages=messages), "r1").asked.turns[0].role is Role.SYSTEM


def test_an_assistants_turn_without_a_text_is_left_out() -> None:
    empty = ["", None, [], [{"type": "text", "text": ""}]]
    said = [{"role": "assistant", "content": each} for each in empty]
    silent: dict[str, Any] = {
        "role": "assistant",
        "refusal": None,
        "tool_calls": None,
        "annotations": [],
    }
    messages = [HI, *said, silent, {"role": "system", "content": ""}, HI]

    assert wanted(a_body(messages=messages), "r1").asked.turns == (Turn(Role.USER, "Hi"),) * 2


@pytest.mark.parametrize("role", ["system", "developer", "assistant"])
def test_a_conversation_may_end_otherwise_than_with_the_user(role: str) -> None:
    messages = [HI, {"role": role, "content": "Ho"}]

    assert [turn.content for turn in wanted(a_body(messages=messages), "r1").asked.turns] == [
        "Hi", "Ho",
    ]  # fmt: skip


def test_a_top_p_of_zero_and_an_empty_user_are_understood() -> None:
    found = wanted(a_body(top_p=0, user=""), "r1")

    assert (found.asked.top_p, found.user) == (0.0, "")


def test_a_conversation_is_kept_where_it_has_a_name() -> None:
    for name in ("a", "é" * 64):
        metadata = {"conversation": name, "topic": "x" * 1_000}
        assert wanted(a_body(metadata=metadata), "r1").asked.conversation == name
    for none in (None, {}, {"topic": 7}):
        assert wanted(a_body(metadata=none), "r1").asked.conversation == ""


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"model": 7}, "model"),
        ({"model": "m" * 101}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": [HI] * (MAX_TURNS + 1)}, "messages"),
        ({"messages": [{"role": "system", "content": "Hi"}]}, "messages"),
        ({"messages": [{"role": "assistant", "content": ""}]}, "messages"),
        ({"messages": ["Hi"]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["Hi"]}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content"),
        ({"messages": [{"role": "assistant", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "a\0b"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "messages[0].content"),
        ({"messages": [HI, {"role": "tool", "content": "Hi"}]}, "messages[1].role"),
        ({"messages": [{"role": ["user"], "content": "Hi"}]}, "messages[0].role"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_completion_tokens": True}, "max_completion_tokens"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": float("inf")}, "temperature"),
        ({"temperature": 10**400}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"top_p": -(10**400)}, "top_p"),
        ({"seed": "7"}, "seed"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": [""]}, "stop"),
        ({"stop": [3]}, "stop"),
        ({"stop": {"a": 1}}, "stop"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": []}, "stream_options"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ({"user": 5}, "user"),
        ({"user": "u" * 129}, "user"),
        ({"metadata": "trip"}, "metadata"),
        ({"metadata": {"conversation": ""}}, "metadata.conversation"),
        ({"metadata": {"conversation": "c" * 65}}, "metadata.conversation"),
        ({"metadata": {"conversation": 5}}, "metadata.conversation"),
        ({"metadata": {"conversation": None}}, "metadata.conversation"),
        ({"metadata": {"conversation": "a\0"}}, "metadata.conversation"),
    ],
)
def test_what_is_malformed_is_refused_by_name(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(BadFrame) as caught:
        wanted(a_body(**changes), "r1")

    assert field in caught.value.detail
    found = openai_errors.body(caught.value)["error"]
    assert (found["param"], found["code"]) == (field, "invalid_value")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"model": None}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
    ],
)
def test_what_is_missing_is_told_by_name(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(BadFrame) as caught:
        wanted(a_body(**changes), "r1")

    found = openai_errors.body(caught.value)["error"]
    assert (found["param"], found["code"]) == (field, "missing_required_parameter")


def test_a_message_of_any_length_over_the_limit_is_too_long_for_the_context() -> None:
    with pytest.raises(TooLarge) as caught:
        wanted(a_body(messages=[{"role": "user", "content": "a" * (MAX_CONTENT + 1)}]), "r1")

    found = openai_errors.body(caught.value)["error"]
    assert (found["param"], found["code"]) == ("messages", "context_length_exceeded")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"functions": [{}]}, "functions"),
        ({"logprobs": True}, "logprobs"),
        ({"presence_penalty": 1}, "presence_penalty"),
        ({"frequency_penalty": -0.5}, "frequency_penalty"),
        ({"logit_bias": {"50256": -100}}, "logit_bias"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"modalities": ["audio"]}, "modalities"),
        ({"messages": [HI, IMAGE]}, "messages[1].content"),
        ({"messages": [HI, CALL, HI]}, "messages[1].tool_calls"),
    ],
)
def test_what_would_change_the_answer_is_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Unsupported) as caught:
        wanted(a_body(**changes), "r1")

    found = openai_errors.body(caught.value)["error"]
    assert (found["param"], found["code"]) == (field, "unsupported_parameter")


@pytest.mark.parametrize(
    ("reason", "named"),
    [
        (FinishReason.STOP, "stop"),
        (FinishReason.LENGTH, "length"),
        (FinishReason.CANCELLED, "stop"),
        (FinishReason.BLOCKED, "content_filter"),
    ],
)
def test_an_answer_in_one_piece_says_why_it_ended(reason: FinishReason, named: str) -> None:
    found = Completion("g1", "chat-mini", 1).whole("Hello.", reason, Usage(3, 2))

    assert found["id"] == "chatcmpl-g1"
    assert found["object"] == "chat.completion"
    assert found["choices"][0]["message"]["content"] == "Hello."
    assert found["choices"][0]["finish_reason"] == named
    assert found["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def test_a_stream_begins_with_the_role_and_ends_with_why_and_done() -> None:
    completion = Completion("g1", "chat-mini", 1)

    first, piece = events(completion.first()), events(completion.piece("Hé"))
    last = events(completion.last(FinishReason.STOP, Usage(3, 2)))

    assert first[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert piece[0]["choices"][0]["delta"] == {"content": "Hé"}
    assert last[0]["choices"][0]["finish_reason"] == "stop"
    assert last[1:] == ["[DONE]"]
    assert "usage" not in last[0]
    assert completion.last(FinishReason.STOP, Usage()).endswith(DONE)


def test_usage_comes_at_the_end_of_a_stream_that_asked_for_it() -> None:
    completion = Completion("g1", "chat-mini", 1, usage_at_end=True)

    last = events(completion.last(FinishReason.LENGTH, Usage(3, 2)))

    assert events(completion.piece("a"))[0]["usage"] is None
    assert last[0]["usage"] is None
    assert last[1]["choices"] == []
    assert last[1]["usage"]["total_tokens"] == 5
    assert last[2] == "[DONE]"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (BadFrame("?"), 400, None),
        (TooLarge("?"), 400, "context_length_exceeded"),
        (RateLimited("?", retry_after_ms=1_500), 429, "rate_limit_exceeded"),
    ],
)
def test_errors_have_openais_shape(error: RtaiError, status: int, code: str | None) -> None:
    found = openai_errors.body(error)["error"]

    assert openai_errors.status(error) == status
    assert (found["message"], found["code"]) == ("?", code)
    assert set(found) == {"message", "type", "param", "code"}


def test_an_error_says_when_to_come_back() -> None:
    found = openai_errors.headers(RateLimited("?", retry_after_ms=1_500))

    assert found == {"retry-after": "2", "retry-after-ms": "1500"}
    assert openai_errors.headers(BadFrame("?")) == {}
