"""How long a message would wait, as Redis predicts it."""

from collections.abc import Mapping
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference.batching import MIN_WORK
from inference.workers_redis import WORKERS
from policy import keys
from policy.load_redis import REPORT, WINDOW_MS, JudgingLoad, Load
from policy.messages import new_id

SPEED: Mapping[str, Any] = {"work": "4000", "busy_ms": "1000"}
"""Four units of work a millisecond."""


@pytest.fixture
def load(valkey: redis.Redis) -> JudgingLoad:
    return JudgingLoad(valkey)


def now_ms(valkey: redis.Redis) -> int:
    seconds, micros = valkey.time()
    return int(seconds) * 1000 + int(micros) // 1000


def busy(
    valkey: redis.Redis,
    *,
    messages: int,
    workers: int,
    ago_ms: int = 0,
    figures: Mapping[str, Any] | None = None,
) -> None:
    """Messages that were accepted so long ago, and workers that live."""
    valkey.delete(keys.LOAD, keys.PENDING, keys.DEADLINES, WORKERS)
    now = now_ms(valkey)
    for _ in range(messages):
        id = new_id(now - ago_ms)
        valkey.zadd(keys.PENDING, {id: now + 3_000})
        valkey.zadd(keys.DEADLINES, {id: now + 10_000})
    for number in range(workers):
        valkey.zadd(WORKERS, {f"w{number}": now + 5_000})
    if figures:
        valkey.hset(keys.LOAD, items=[part for pair in figures.items() for part in pair])


def report(valkey: redis.Redis, work: int, busy_s: float) -> None:
    """A worker's word, as it comes with what else a script does."""
    text = f"{REPORT}report(KEYS[1], ARGV[1], ARGV[2], ARGV[3])"
    valkey.eval(text, 1, keys.LOAD, str(work), str(busy_s * 1000), str(now_ms(valkey)))


def test_nothing_waits_while_nothing_is_pending(load: JudgingLoad, valkey: redis.Redis) -> None:
    busy(valkey, messages=0, workers=0, figures={"pending": 77, **SPEED})

    assert load.measure() == Load(0, 0)
    assert valkey.hget(keys.LOAD, "pending") is None


@pytest.mark.parametrize(("workers", "wait_ms"), [(1, 1_000), (2, 500), (4, 250)])
def test_the_wait_is_the_work_over_what_all_workers_do(
    load: JudgingLoad, valkey: redis.Redis, workers: int, wait_ms: int
) -> None:
    future = now_ms(valkey) + 60_000
    busy(
        valkey, messages=3, workers=workers, figures={"pending": 4_000, "done_ms": future, **SPEED}
    )

    assert load.measure() == Load(3, wait_ms)


@pytest.mark.parametrize(("workers", "figures"), [(0, SPEED), (1, {}), (1, {"work": "0"})])
def test_nobody_can_tell_without_a_worker_or_a_speed(
    load: JudgingLoad, valkey: redis.Redis, workers: int, figures: dict[str, str]
) -> None:
    busy(valkey, messages=2, workers=workers, figures={"pending": 100, **figures})

    assert load.measure() == Load(2, None)


def test_a_worker_whose_lease_has_ended_does_not_count(
    load: JudgingLoad, valkey: redis.Redis
) -> None:
    busy(valkey, messages=2, workers=0, figures=SPEED)
    valkey.zadd(WORKERS, {"dead": now_ms(valkey) - 1})

    assert load.measure().wait_ms is None


def test_what_has_not_moved_for_long_is_predicted_to_take_as_long_again(
    load: JudgingLoad, valkey: redis.Redis
) -> None:
    busy(
        valkey,
        messages=1,
        workers=1,
        ago_ms=7_000,
        figures={"done_ms": now_ms(valkey) - 60_000, **SPEED},
    )

    wait = load.measure().wait_ms

    assert wait is not None
    assert 7_000 <= wait < 12_000


def test_workers_that_end_batches_move_the_queue(load: JudgingLoad, valkey: redis.Redis) -> None:
    busy(valkey, messages=1, workers=1, ago_ms=7_000, figures=SPEED)
    report(valkey, 16, 0.004)

    wait = load.measure().wait_ms

    assert wait is not None
    assert wait < 5_000


def test_the_speed_is_a_mean_that_forgets(valkey: redis.Redis) -> None:
    for _ in range(100):
        report(valkey, 4_000, 1.0)
    for _ in range(100):
        report(valkey, 1_000, 1.0)

    work, busy_ms = (float(str(each)) for each in valkey.hmget(keys.LOAD, ["work", "busy_ms"]))

    assert busy_ms <= WINDOW_MS
    assert work / busy_ms == pytest.approx(1.0, rel=0.01)


@pytest.mark.parametrize("nonsense", ["", "nan", "inf", "-5", "abc", "0x", "1e999"])
def test_nonsense_in_redis_is_forgotten_at_the_next_report(
    load: JudgingLoad, valkey: redis.Redis, nonsense: str
) -> None:
    busy(
        valkey,
        messages=1,
        workers=1,
        figures=dict.fromkeys(("pending", "work", "busy_ms"), nonsense),
    )

    assert load.measure().wait_ms is None
    for _ in range(3):
        report(valkey, 4_000, 1.0)

    found = load.measure()
    assert found.wait_ms is not None
    assert 0 <= found.wait_ms < 60_000


NUMBERS = st.one_of(st.integers(-10, 10**9), st.floats(), st.text(max_size=8))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, 5), st.integers(0, 3), NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_a_prediction_is_never_negative_whatever_redis_holds(  # noqa: PLR0913
    load: JudgingLoad,
    valkey: redis.Redis,
    messages: int,
    workers: int,
    pending: object,
    work: object,
    busy_ms: object,
    done_ms: object,
) -> None:
    figures = {"pending": pending, "work": work, "busy_ms": busy_ms, "done_ms": done_ms}
    encoded = {name: str(each).encode("utf-8", "replace") for name, each in figures.items()}
    busy(valkey, messages=messages, workers=workers, figures=encoded)

    found = load.measure()

    assert found.pending == messages
    assert found.wait_ms is None or found.wait_ms >= 0
    assert messages or found.wait_ms == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.integers(1, 8),
    st.integers(1, 4),
    st.integers(1, 10**6),
    st.integers(1, 10**6),
    st.integers(1, 10**6),
)
def test_more_work_waits_longer_and_more_workers_shorten_it(  # noqa: PLR0913
    load: JudgingLoad,
    valkey: redis.Redis,
    messages: int,
    workers: int,
    pending: int,
    work: int,
    busy_ms: int,
) -> None:
    def wait(pending: int, workers: int) -> int:
        figures = {"pending": pending, "work": work, "busy_ms": busy_ms, "done_ms": 10**14}
        busy(valkey, messages=messages, workers=workers, figures=figures)
        found = load.measure().wait_ms
        assert found is not None
        return found

    here = wait(pending, workers)

    assert wait(pending * 2, workers) >= here
    assert wait(pending, workers + 1) <= here
    exact = max(pending, messages * MIN_WORK) * busy_ms / work / workers
    assert here == pytest.approx(exact, rel=1e-6, abs=1.5)
