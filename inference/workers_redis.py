"""Workers that are alive: each writes what it does every second, anyone may read it."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType

import redis

from inference import connection_redis

WORKERS = "rtai:workers"
"""Sorted set of live workers that judge, scored by the end of their lease in milliseconds."""
GENERATORS = "rtai:generation-workers"
"""The same of those that write answers."""
INTERVAL_S = 1.0
BEATS_PER_LEASE = 5

logger = logging.getLogger(__name__)


def worker(id: str) -> str:
    """Hash of one worker: pid, host, busy_since_ms (0 = idle), seen_ms, models and errors."""
    return f"rtai:worker:{id}"


BEAT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local busy_ms = tonumber(ARGV[3])
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('HSET', KEYS[2], 'seen_ms', now, 'busy_since_ms', busy_ms < 0 and 0 or now - busy_ms,
  'pid', ARGV[4], 'host', ARGV[5], 'models', ARGV[6], 'errors', ARGV[7])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return now
"""
"""KEYS: workers, worker. ARGV: id, lease ms, busy for ms (-1 = idle), pid, host, models, errors.
Redis' clock counts, so that machines need not agree on the time."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A version that a worker has loaded, and the execution provider it runs on."""

    version: str
    provider: str


@dataclass(frozen=True, slots=True)
class Description:
    """What a worker says of itself: models by plugin, and reasons why others are missing."""

    pid: int
    host: str
    models: Mapping[str, LoadedModel] = field(default_factory=lambda: MappingProxyType({}))
    errors: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """A live worker. Times are milliseconds since the Unix epoch, by Redis' clock."""

    id: str
    description: Description
    seen_ms: int
    busy_since_ms: int
    """0 while idle."""

    @property
    def busy_s(self) -> float:
        """How long the worker had been on its batch when it was last seen."""
        return (self.seen_ms - self.busy_since_ms) / 1000 if self.busy_since_ms else 0.0


class Heartbeat:
    """Says every second that this worker lives, and whether it is busy.

    A thread of its own does so, even while a batch runs. Without Redis it goes on trying.
    """

    def __init__(  # noqa: PLR0913 - half of them have defaults
        self,
        url: str,
        worker_id: str,
        describe: Callable[[], Description],
        *,
        group: str = WORKERS,
        interval_s: float = INTERVAL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.worker_id = worker_id
        self._url = url
        self._group = group
        self._describe = describe
        self._interval_s = interval_s
        self._lease_s = interval_s * BEATS_PER_LEASE
        self._clock = clock
        self._busy_since: float | None = None
        self._idle = threading.Event()
        self._idle.set()
        self._stopped = threading.Event()
        self._reachable = True
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins to beat; a second call does nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ends the beating and takes the worker off the list at once, if Redis is there."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(self._lease_s)
        try:
            client = connection_redis.client(self._url)
            client.zrem(self._group, self.worker_id)
            client.delete(worker(self.worker_id))
        except (redis.RedisError, OSError) as error:
            logger.warning("Left the list of workers to its lease: %s", error)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Marks the worker as busy while the block runs."""
        self._busy_since = self._clock()
        self._idle.clear()
        try:
            yield
        finally:
            self._idle.set()
            self._busy_since = None

    def wait_idle(self, timeout_s: float) -> bool:
        """Waits until the worker has nothing to judge; whether that came in time."""
        return self._idle.wait(timeout_s)

    def beat(self) -> None:
        """Writes the worker's state once; raises redis.RedisError."""
        since, described = self._busy_since, self._describe()
        busy_ms = -1 if since is None else max(1, int((self._clock() - since) * 1000))
        connection_redis.client(self._url).eval(
            BEAT,
            2,
            self._group,
            worker(self.worker_id),
            self.worker_id,
            str(int(self._lease_s * 1000)),
            str(busy_ms),
            str(described.pid),
            described.host,
            _models_json(described.models),
            json.dumps(dict(described.errors)),
        )

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._try_to_beat()
            self._stopped.wait(self._interval_s)

    def _try_to_beat(self) -> None:
        try:
            self.beat()
        except (redis.RedisError, OSError) as error:
            if self._reachable:
                logger.warning("The heartbeat does not reach Redis: %s", error)
            self._reachable = False
        except Exception:
            logger.exception("The heartbeat failed")
        else:
            if not self._reachable:
                logger.warning("The heartbeat reaches Redis again.")
            self._reachable = True


def live_workers(client: "redis.Redis", group: str = WORKERS) -> list[WorkerStatus]:
    """Workers of a group whose lease has not ended, by id; forgets the others.

    Raises redis.RedisError.
    """
    seconds, microseconds = client.time()
    now = seconds * 1000 + microseconds // 1000
    client.zremrangebyscore(group, "-inf", now)
    ids = sorted(str(id) for id in client.zrange(group, 0, -1))
    pipeline = client.pipeline(transaction=False)
    for id in ids:
        pipeline.hgetall(worker(id))
    return [_status(id, found) for id, found in zip(ids, pipeline.execute(), strict=True) if found]


def all_workers(client: "redis.Redis") -> list[WorkerStatus]:
    """Live workers that judge, then those that write answers; raises redis.RedisError."""
    return [*live_workers(client), *live_workers(client, GENERATORS)]


def _status(id: str, found: Mapping[str, str]) -> WorkerStatus:
    models = {
        plugin: LoadedModel(each["version"], each["provider"])
        for plugin, each in json.loads(found["models"]).items()
    }
    return WorkerStatus(
        id=id,
        description=Description(
            int(found["pid"]), found["host"], models, json.loads(found["errors"])
        ),
        seen_ms=int(found["seen_ms"]),
        busy_since_ms=int(found["busy_since_ms"]),
    )


def _models_json(models: Mapping[str, LoadedModel]) -> str:
    return json.dumps(
        {
            plugin: {"version": each.version, "provider": each.provider}
            for plugin, each in models.items()
        }
    )
