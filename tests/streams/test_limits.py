"""How limits are written and read."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.limits import DEFAULTS, NAMES, BadLimit, Rate, check, decode, defaults, parse


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("20/10s", Rate(20, 10_000, 20)),
        ("100/s", Rate(100, 1_000, 100)),
        ("600/1m burst 50", Rate(600, 60_000, 50)),
        ("5/250ms", Rate(5, 250, 5)),
        ("1/24h", Rate(1, 86_400_000, 1)),
        ("  20/10s   burst   40 ", Rate(20, 10_000, 40)),
        ("20", Rate(20)),
    ],
)
def test_a_rate_is_read(text: str, rate: Rate) -> None:
    assert parse(text) == rate


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fast",
        "20/",
        "/10s",
        "20/10",
        "20/10d",
        "20 / 10s",
        "-1/10s",
        "1.5/s",
        "0/10s",
        "20/0s",
        "20/10s burst",
        "20/10s burst 0",
        "20/10s burst -5",
        "20/10s burst 5 5",
        "20/25h",
        "1000001/s",
        "0",
        "-1",
        "9" * 40,
        "٢٠/10s",
        "20/10s\0",
        "20/10s; FLUSHALL",
    ],
)
def test_what_is_no_rate_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(BadLimit, match="expected"):
        parse(text)


@given(
    st.integers(1, 1_000_000),
    st.one_of(st.just(0), st.integers(1, 86_400_000)),
    st.integers(1, 1_000_000),
)
def test_a_rate_survives_being_written(count: int, period_ms: int, burst: int) -> None:
    rate = Rate(count, period_ms, burst) if period_ms else Rate(count)
    assert parse(str(rate)) == rate
    assert decode(rate.encode()) == rate


@given(st.text(max_size=50))
def test_any_text_is_a_rate_or_a_bad_one(text: str) -> None:
    with contextlib.suppress(BadLimit):
        assert parse(text).count >= 1


@pytest.mark.parametrize(
    "name",
    [
        "",
        "messages",
        "user",
        "user.message",
        "User.messages",
        "stream.open_connections",
        "process.messages",
        "site.sockets",
        "all.generations",
        "user.waiting_generations",
        "a.b.c",
    ],
)
def test_an_unknown_name_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(BadLimit, match=r"user\.messages"):
        check(name, "20/10s")


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("user.open_connections", "20/10s"),
        ("process.sockets", "20/10s"),
        ("user.open_generations", "5/1m"),
        ("all.waiting_generations", "256/1s"),
        ("user.messages", "20"),
        ("address.connections", "5"),
        ("address.accepts", "5"),
    ],
)
def test_caps_are_for_what_is_open_and_rates_for_what_happens(name: str, rate: str) -> None:
    with pytest.raises(BadLimit, match=rf"{name}: expected"):
        check(name, rate)


@pytest.mark.parametrize("rate", ["5/1m", "2"])
def test_generations_may_be_limited_either_way(rate: str) -> None:
    assert str(check("user.generations", rate)) == rate


def test_the_defaults_are_limits() -> None:
    assert dict(defaults()).keys() == DEFAULTS.keys()
    assert set(DEFAULTS) <= set(NAMES)
    assert str(dict(defaults())["user.messages"]) == "20/10s"


def test_tokens_are_limited_by_rates_only() -> None:
    assert str(check("user.tokens", "20000/1m")) == "20000/1m"
    with pytest.raises(BadLimit, match=r"user\.tokens: expected a rate"):
        check("user.tokens", "20000")
