"""What is counted and measured of answers, as an operator's Prometheus sees it."""

from collections.abc import Callable
from typing import TypeAlias

import pytest
import redis

from generation.generations import FinishReason, Usage
from generation.generations_redis import RedisGenerations
from generation.metrics_prometheus import Metrics
from generation.work_redis import RedisWork
from inference import metrics_prometheus as metrics
from tests.generation.test_generations_redis import (
    USED,
    admitted,
    claimed,
    lose_its_lease,
    waited,
)

Grown: TypeAlias = Callable[[], dict[str, float]]


def samples() -> dict[str, float]:
    """Everything that is measured of generations, by its series; times of creation apart."""
    return {
        sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
        for metric in metrics.REGISTRY.collect()
        for sample in metric.samples
        if sample.name.startswith("rtai_generation")
        and not sample.name.endswith(("_bucket", "_created"))
    }


@pytest.fixture
def grown() -> Grown:
    """By how much each series has grown since the test began; those that have not are left out."""
    before = samples()

    def found() -> dict[str, float]:
        now = {name: value - before.get(name, 0.0) for name, value in samples().items()}
        return {name: value for name, value in now.items() if value}

    return found


def test_one_that_is_taken_runs_and_has_waited(grown: Grown) -> None:
    Metrics().began(0.25)

    assert grown() == {
        "rtai_generation_queue_wait_seconds_count": 1,
        "rtai_generation_queue_wait_seconds_sum": 0.25,
        "rtai_generations_running": 1,
    }


def test_one_that_is_over_does_not_run(grown: Grown) -> None:
    Metrics().over()

    assert grown() == {"rtai_generations_running": -1}


def test_its_first_text_is_measured_from_when_it_was_accepted(grown: Grown) -> None:
    Metrics().shown(0.5)

    assert grown() == {
        "rtai_generation_first_token_seconds_count": 1,
        "rtai_generation_first_token_seconds_sum": 0.5,
    }


def test_a_models_first_piece_and_the_gaps_behind_it_are_measured_by_model(grown: Grown) -> None:
    watcher = Metrics()
    watcher.first("far", 0.75)
    watcher.next("far", 0.125)
    watcher.next("far", 0.25)

    assert grown() == {
        "rtai_generation_model_first_token_seconds_count far": 1,
        "rtai_generation_model_first_token_seconds_sum far": 0.75,
        "rtai_generation_token_gap_seconds_count far": 2,
        "rtai_generation_token_gap_seconds_sum far": 0.375,
    }


@pytest.mark.parametrize("reason", list(FinishReason))
def test_an_end_is_counted_by_its_reason_with_its_tokens(
    grown: Grown, reason: FinishReason
) -> None:
    Metrics().ended(reason, Usage(prompt_tokens=7, completion_tokens=3))

    assert grown() == {
        f"rtai_generations_total {reason.value}": 1,
        "rtai_generation_tokens_total prompt": 7,
        "rtai_generation_tokens_total completion": 3,
    }


async def test_a_cancel_counts_what_it_ends_itself(
    generations: RedisGenerations, work: RedisWork, grown: Grown
) -> None:
    waiting, running = await admitted(generations), await claimed(generations, work)
    over = await claimed(generations, work)
    work.finish(over, FinishReason.STOP, USED)

    for id in (waiting.id, waiting.id, running.id, over.id, "unknown"):
        await generations.cancel(id)

    assert grown() == {"rtai_generations_total cancelled": 1}


async def test_a_sweep_counts_what_it_ends_by_its_reason_once(
    generations: RedisGenerations, work: RedisWork, valkey: redis.Redis, grown: Grown
) -> None:
    dead = [await claimed(generations, work) for _ in range(3)]
    await generations.cancel(dead[0].id)
    for each in dead:
        lose_its_lease(valkey, each)
    await admitted(generations, deadline_ms=1)

    for _ in range(2):
        await generations.sweep()

    assert grown() == {
        "rtai_generations_total cancelled": 1,
        "rtai_generations_total interrupted": 3,
    }


async def test_a_sweep_counts_what_nobody_takes(
    generations: RedisGenerations, valkey: redis.Redis, grown: Grown
) -> None:
    waited(valkey, await admitted(generations), 60_000)

    for _ in range(2):
        await generations.sweep()

    assert grown() == {"rtai_generations_total interrupted": 1}
