"""When the Python client connects again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtai_client.reconnecting import Advice, after_close, after_refusal, backoff, delay


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_the_delay_has_full_jitter_between_half_a_second_and_twenty(
    failures: int, fraction: float
) -> None:
    assert 0.5 <= backoff(failures, lambda: fraction) <= 20


def test_failures_in_a_row_wait_longer() -> None:
    assert [backoff(failures, lambda: 1) for failures in range(1, 8)] == [1, 2, 4, 8, 16, 20, 20]


@given(st.integers(1, 100), st.floats(0, 60), st.floats(0, 1, exclude_max=True))
def test_patience_that_the_server_asked_for_has_jitter_too(
    failures: int, wait_s: float, fraction: float
) -> None:
    found = delay(failures, wait_s, lambda: fraction)

    assert found >= max(wait_s, 0.5)
    assert delay(failures, wait_s, lambda: 1) >= max(wait_s, 0.5) + 0.5
    assert delay(failures, 0, lambda: fraction) == pytest.approx(
        backoff(failures, lambda: fraction)
    )


@pytest.mark.parametrize("code", [1000, 1006, 1011, 4001, 4008, 4010, 4012, 4013])
def test_most_ends_ask_for_another_attempt(code: int) -> None:
    assert after_close(code, "") == Advice(again=True, fresh_token=False)


def test_an_expired_token_asks_for_a_fresh_one() -> None:
    assert after_close(4005, '{"retry_after_ms":0}') == Advice(again=True, fresh_token=True)


@pytest.mark.parametrize("code", [4501, 4503, 4504, 4999])
def test_some_ends_are_for_good(code: int) -> None:
    assert not after_close(code, "").again


@pytest.mark.parametrize("reason", ["", "Bad gateway", "[]", "{}", '{"retry_after_ms":"soon"}'])
def test_a_reason_that_is_not_ours_asks_for_nothing(reason: str) -> None:
    assert after_close(1006, reason).wait_s == 0


def test_the_server_may_ask_for_patience() -> None:
    assert after_close(4001, '{"retry_after_ms":2500}').wait_s == 2.5
    assert after_refusal(503, "7") == Advice(again=True, fresh_token=False, wait_s=7)


@pytest.mark.parametrize(
    ("status", "again"), [(401, False), (403, False), (429, True), (502, True)]
)
def test_a_refused_handshake_is_tried_again_where_that_may_help(status: int, again: bool) -> None:
    assert after_refusal(status, "").again is again
