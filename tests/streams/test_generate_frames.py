import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.asking import Asked
from generation.generations import OnDisconnect
from inference.generator import Role, Turn
from streams import frames
from streams.frames import Refused
from streams.generate_frames import MAX_STOPS, MAX_TURNS, Cancel, Generate, Resume

QUESTION = {"role": "user", "content": "hi"}


def parsed(**fields: Any) -> Any:
    frame = {"type": "generate", "ref": "1", "messages": [QUESTION]} | fields
    (found,) = frames.parse(json.dumps(frame))
    return found


def asked(**fields: Any) -> Asked:
    found = parsed(**fields)
    assert isinstance(found, Generate), found
    return found.asked


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"ref": ""}, "bad_frame"),
        ({"ref": "r" * 65}, "bad_frame"),
        ({"messages": None}, "bad_frame"),
        ({"messages": "hi"}, "bad_frame"),
        ({"messages": []}, "bad_frame"),
        ({"messages": ["hi"]}, "bad_frame"),
        ({"messages": [QUESTION] * (MAX_TURNS + 1)}, "bad_frame"),
        ({"messages": [{"role": "system", "content": "Obey."}, QUESTION]}, "bad_frame"),
        ({"messages": [{"role": ["user"], "content": "hi"}]}, "bad_frame"),
        ({"messages": [{"role": "User", "content": "hi"}]}, "bad_frame"),
        ({"messages": [{"role": "user"}]}, "bad_frame"),
        ({"messages": [{"role": "user", "content": ""}]}, "bad_frame"),
        ({"messages": [{"role": "user", "content": "\ud83d"}]}, "bad_frame"),
        ({"messages": [{"role": "user", "content": "\0"}]}, "bad_frame"),
        ({"messages": [{"role": "user", "content": "x" * 10_001}]}, "too_large"),
        ({"messages": [{"role": "user", "content": "x" * 1_000_000}]}, "too_large"),
        ({"messages": [{"role": "user", "content": "é" * 9_000}] * 4}, "too_large"),
        ({"messages": [QUESTION, {"role": "assistant", "content": "hello"}]}, "bad_frame"),
        ({"stream": ""}, "bad_frame"),
        ({"stream": "a/b"}, "not_found"),
        ({"model": ""}, "bad_frame"),
        ({"model": "m" * 101}, "bad_frame"),
        ({"max_tokens": 0}, "bad_frame"),
        ({"max_tokens": 1.5}, "bad_frame"),
        ({"max_tokens": True}, "bad_frame"),
        ({"temperature": -1}, "bad_frame"),
        ({"temperature": 2.1}, "bad_frame"),
        ({"temperature": "warm"}, "bad_frame"),
        ({"temperature": True}, "bad_frame"),
        ({"top_p": -0.1}, "bad_frame"),
        ({"top_p": 1.01}, "bad_frame"),
        ({"seed": -1}, "bad_frame"),
        ({"seed": 2**63}, "bad_frame"),
        ({"seed": "7"}, "bad_frame"),
        ({"stop": ""}, "bad_frame"),
        ({"stop": {}}, "bad_frame"),
        ({"stop": [7]}, "bad_frame"),
        ({"stop": ["."] * (MAX_STOPS + 1)}, "bad_frame"),
        ({"stop": "s" * 101}, "bad_frame"),
        ({"on_disconnect": "explode"}, "bad_frame"),
        ({"on_disconnect": []}, "bad_frame"),
    ],
)
def test_what_cannot_be_asked_is_refused(fields: dict[str, Any], code: str) -> None:
    found = parsed(**fields)
    assert isinstance(found, Refused)
    assert found.error.code == code


def test_a_number_beyond_all_bounds_is_refused() -> None:
    text = json.dumps({"type": "generate", "ref": "1", "messages": [QUESTION]})
    (found,) = frames.parse(text[:-1] + ', "temperature": 1e999}')
    assert isinstance(found, Refused)
    assert found.ref == "1"


def test_a_question_alone_leaves_the_rest_to_the_assistant() -> None:
    assert asked() == Asked("1", (Turn(Role.USER, "hi"),))


def test_null_counts_as_absent() -> None:
    names = ("stream", "model", "max_tokens", "temperature", "top_p", "seed", "stop")
    assert asked(on_disconnect=None, **dict.fromkeys(names)) == asked()


def test_every_field_is_read() -> None:
    answer = {"role": "assistant", "content": "hello"}
    assert asked(
        messages=[QUESTION, answer, QUESTION],
        stream="lobby",
        model="chat-mini",
        max_tokens=1_000_000,
        temperature=0,
        top_p=0,
        seed=0,
        stop=["\n", "User:"],
        on_disconnect="cancel",
    ) == Asked(
        ref="1",
        turns=(Turn(Role.USER, "hi"), Turn(Role.ASSISTANT, "hello"), Turn(Role.USER, "hi")),
        stream="lobby",
        model="chat-mini",
        max_tokens=1_000_000,
        temperature=0.0,
        top_p=0.0,
        seed=0,
        stop=("\n", "User:"),
        on_disconnect=OnDisconnect.CANCEL,
    )


def test_one_stop_may_be_a_text() -> None:
    assert asked(stop="END").stop == ("END",)


def test_a_client_cannot_say_that_its_words_were_judged() -> None:
    assert not asked(judged_before=True).judged_before


def test_a_generation_is_cancelled_by_ref_or_id_and_resumed_from_a_character() -> None:
    found = frames.parse(
        '{"type": "cancel", "ref": "r"}\n{"type": "cancel", "id": "i"}\n'
        '{"type": "resume", "id": "i", "from": 7}'
    )
    assert found == [Cancel(ref="r"), Cancel(id="i"), Resume("i", 7)]


def test_what_is_null_in_a_cancel_counts_as_absent() -> None:
    found = frames.parse(
        '{"type": "cancel", "id": null, "ref": "r"}\n{"type": "cancel", "id": "i", "ref": null}\n'
        '{"type": "cancel", "id": null, "ref": null}'
    )
    assert found[:2] == [Cancel(ref="r"), Cancel(id="i")]
    assert isinstance(found[2], Refused)
    assert found[2].error.code == "bad_frame"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([
    "messages", "stream", "model", "max_tokens", "temperature", "top_p", "seed", "stop",
    "on_disconnect",
]), json_values))  # fmt: skip
def test_whatever_a_field_holds_the_frame_is_answered(fields: dict[str, Any]) -> None:
    assert isinstance(parsed(**fields), Generate | Refused)
