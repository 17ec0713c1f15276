"""Who lives, and who is busy."""

import logging
import socket
import threading
from collections.abc import Callable

import pytest
import redis

from inference.workers_redis import (
    WORKERS,
    Description,
    Heartbeat,
    LoadedModel,
    live_workers,
    worker,
)
from tests.inference.clock import Clock

WAIT_S = 10
MODELS = {"manners": LoadedModel("small@1.0.0+sha256:ab", "CPUExecutionProvider")}


def described() -> Description:
    return Description(42, "here", MODELS, {"moderation": "checksum differs"})


def test_a_beat_tells_who_lives_and_what_is_loaded(valkey: redis.Redis, url: str) -> None:
    Heartbeat(url, "worker-1@here", described).beat()

    (status,) = live_workers(valkey)

    assert status.id == "worker-1@here"
    assert status.description == described()
    assert (status.busy_since_ms, status.busy_s) == (0, 0.0)
    assert status.seen_ms > 1_600_000_000_000
    assert set(valkey.hgetall(worker("worker-1@here"))) == {
        "pid",
        "host",
        "busy_since_ms",
        "seen_ms",
        "models",
        "errors",
    }


def test_who_waits_for_an_idle_moment_gets_it_between_two_batches(url: str) -> None:
    heartbeat = Heartbeat(url, "worker-1", described)

    assert heartbeat.wait_idle(0)
    with heartbeat.busy():
        assert not heartbeat.wait_idle(0.01)
    assert heartbeat.wait_idle(0)


def test_a_busy_worker_tells_since_when(valkey: redis.Redis, url: str) -> None:
    clock = Clock()
    heartbeat = Heartbeat(url, "worker-1", described, clock=clock)

    with heartbeat.busy():
        clock.now += 31
        heartbeat.beat()
        (busy,) = live_workers(valkey)
    heartbeat.beat()
    (idle,) = live_workers(valkey)

    assert busy.busy_s == pytest.approx(31)
    assert idle.busy_s == 0


def test_a_worker_whose_lease_ended_is_forgotten(valkey: redis.Redis, url: str) -> None:
    Heartbeat(url, "dead", described).beat()
    Heartbeat(url, "live", described).beat()
    valkey.zadd(WORKERS, {"dead": 1})

    assert [status.id for status in live_workers(valkey)] == ["live"]
    assert valkey.zrange(WORKERS, 0, -1) == ["live"]


def test_leases_are_five_beats_long(valkey: redis.Redis, url: str) -> None:
    Heartbeat(url, "live", described).beat()

    assert 4_000 < valkey.pttl(worker("live")) <= 5_000


def test_a_started_heartbeat_beats_and_leaves_when_stopped(valkey: redis.Redis, url: str) -> None:
    beats = threading.Semaphore(0)

    def counting() -> Description:
        beats.release()
        return described()

    heartbeat = Heartbeat(url, "worker-1", counting, interval_s=0.01)
    heartbeat.start()
    heartbeat.start()
    for _ in range(3):
        assert beats.acquire(timeout=WAIT_S)
    heartbeat.stop()

    assert live_workers(valkey) == []
    assert not valkey.exists(worker("worker-1"))


def test_a_heartbeat_outlives_redis_and_its_own_mistakes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    beats = threading.Semaphore(0)

    def failing() -> Description:
        beats.release()
        raise RuntimeError("a mistake")

    for describe in (counting_into(beats), failing):
        heartbeat = Heartbeat("unix:///nowhere.sock", "w", describe, interval_s=0.01)
        heartbeat.start()
        for _ in range(2):
            assert beats.acquire(timeout=WAIT_S)
        heartbeat.stop()


def counting_into(beats: threading.Semaphore) -> Callable[[], Description]:
    def describe() -> Description:
        beats.release()
        return Description(1, socket.gethostname())

    return describe
