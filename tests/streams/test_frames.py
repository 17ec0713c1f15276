import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import frames
from streams.frames import Position, Refused


def refused(text: str) -> Refused:
    (found,) = frames.parse(text)
    assert isinstance(found, Refused), found
    return found


def sent(**fields: object) -> str:
    return json.dumps({"type": "message", "stream": "lobby", "ref": "1", "text": "hi"} | fields)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "bad_frame"),
        (" \n ", "bad_frame"),
        ("hello", "bad_frame"),
        ("[]", "bad_frame"),
        ("null", "bad_frame"),
        ('"text"', "bad_frame"),
        ("{", "bad_frame"),
        ("{}", "bad_frame"),
        ('{"type": 7}', "bad_frame"),
        ('{"type": null}', "bad_frame"),
        ('{"type": ""}', "bad_frame"),
        ('{"type": "shout"}', "unknown_type"),
        ('{"type": "' + "shout" * 100 + '"}', "unknown_type"),
        ('{"type": "\\ud800\\u0000"}', "unknown_type"),
        ('{"type": "pong", "n": NaN}', "bad_frame"),
        ('{"type": "pong", "n": -Infinity}', "bad_frame"),
        ("[" * 10_000, "bad_frame"),
        ("[" * 10_000 + "]" * 10_000, "bad_frame"),
        ('{"a":' * 10_000, "bad_frame"),
        ('{"type": "pong", "n": ' + "9" * 5_000 + "}", "bad_frame"),
        ('{"type": "subscribe"}', "bad_frame"),
        ('{"type": "subscribe", "stream": 5}', "bad_frame"),
        ('{"type": "subscribe", "stream": ""}', "bad_frame"),
        ('{"type": "subscribe", "stream": "a/b"}', "not_found"),
        ('{"type": "subscribe", "stream": "../../etc"}', "not_found"),
        ('{"type": "subscribe", "stream": "*"}', "not_found"),
        ('{"type": "subscribe", "stream": "lobby\\n"}', "not_found"),
        ('{"type": "subscribe", "stream": "' + "a" * 101 + '"}', "not_found"),
        ('{"type": "subscribe", "stream": "lobby", "recent": 101}', "bad_frame"),
        ('{"type": "subscribe", "stream": "lobby", "recent": -1}', "bad_frame"),
        ('{"type": "subscribe", "stream": "lobby", "recent": true}', "bad_frame"),
        ('{"type": "subscribe", "stream": "lobby", "recent": 1.5}', "bad_frame"),
        ('{"type": "subscribe", "stream": "lobby", "since": 3}', "bad_frame"),
        ('{"type": "subscribe", "stream": "lobby", "since": {"epoch": "e"}}', "bad_frame"),
        (
            '{"type": "subscribe", "stream": "lobby", "since": {"epoch": "e", "offset": -1}}',
            "bad_frame",
        ),
        (
            '{"type": "subscribe", "stream": "lobby", "since": {"epoch": 1, "offset": 1}}',
            "bad_frame",
        ),
        (sent(text=""), "bad_frame"),
        (sent(text=None), "bad_frame"),
        (sent(text=["hi"]), "bad_frame"),
        (sent(text="a" * 10_001), "too_large"),
        (sent(text="\0"), "bad_frame"),
        (sent(text="\ud800"), "bad_frame"),
        (sent(text="a\udfffb"), "bad_frame"),
        (sent(ref=""), "bad_frame"),
        (sent(ref=3), "bad_frame"),
        (sent(ref="a" * 65), "bad_frame"),
        (sent(ref="\0"), "bad_frame"),
        ('{"type": "remove", "stream": "lobby"}', "bad_frame"),
        ('{"type": "cancel"}', "bad_frame"),
        ('{"type": "resume", "id": "x", "from": -1}', "bad_frame"),
        ('{"type": "refresh", "token": {}}', "bad_frame"),
        (sent(text="a" * 100_000), "too_large"),
        (" " * (64 * 1024 + 1), "too_large"),
        ("é" * (32 * 1024) + "e", "too_large"),
    ],
)
def test_what_is_no_frame_is_answered_with_its_code(text: str, code: str) -> None:
    assert refused(text).error.code == code


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "a" * 10_000,
        "🎉",
        "👩‍👩‍👧‍👦🏳️‍🌈",
        "\u202eevil\u202c \u200f\u200e",
        "\x01\x7f\u2028",
        "😀" * 10_000,
        " ",
        "line\nline",
    ],
)
def test_texts_of_all_kinds_arrive_unchanged(text: str) -> None:
    (found,) = frames.parse(json.dumps({**json.loads(sent()), "text": text}, ensure_ascii=False))

    assert found == frames.Send("lobby", "1", text)


def test_an_escaped_pair_of_surrogates_is_one_character() -> None:
    (found,) = frames.parse(sent(text="😀"))

    assert found == frames.Send("lobby", "1", "😀")


def test_a_frame_of_exactly_64_kib_is_read() -> None:
    (found,) = frames.parse('{"type":"pong"}'.ljust(64 * 1024))

    assert found == frames.Pong()


def test_several_objects_are_several_frames_in_order() -> None:
    found = frames.parse('{"type":"pong"}\n\nnonsense\n{"type":"typing","stream":"a"}\n')

    assert [frames.kind(each) for each in found] == ["pong", "unknown", "typing"]


def test_one_object_over_several_lines_is_one_frame() -> None:
    assert frames.parse(json.dumps(json.loads(sent()), indent=2)) == [
        frames.Send("lobby", "1", "hi")
    ]


def test_unknown_fields_are_ignored() -> None:
    assert frames.parse('{"type":"pong","mood":"fine"}') == [frames.Pong()]


def test_a_refused_frame_carries_its_ref_where_it_is_one() -> None:
    assert refused(sent(text="")).ref == "1"
    assert refused(sent(text="", ref=5)).ref is None


def test_subscriptions_have_a_position_or_a_number_of_recent_frames() -> None:
    since = '{"type":"subscribe","stream":"a","since":{"epoch":"e","offset":7}}'
    recent = '{"type":"subscribe","stream":"a","recent":100}'

    assert frames.parse(since) == [frames.Subscribe("a", Position("e", 7))]
    assert frames.parse(recent) == [frames.Subscribe("a", None, 100)]


@given(st.text() | st.recursive(st.none() | st.text(), st.lists, max_leaves=5).map(json.dumps))
def test_parsing_never_raises(text: str) -> None:
    assert frames.parse(text)
