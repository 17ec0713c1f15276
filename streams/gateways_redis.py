"""A gateway's place among the live ones, and its share of the workers."""

import math
from typing import Any, cast

import redis

from inference import connection_redis
from inference.workers_redis import WORKERS
from policy import keys

LEASE_MS = 10_000

# KEYS: gateways. ARGV: id, lease ms.
_LEASE = """
local time = redis.call('TIME')
return redis.call('ZADD', KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2], ARGV[1])
"""
# KEYS: gateways, workers.
_COUNT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return {redis.call('ZCOUNT', KEYS[1], now, '+inf'), redis.call('ZCOUNT', KEYS[2], now, '+inf')}
"""


class GatewayLease:
    """Synchronous: for threads. Every method raises redis.RedisError."""

    def __init__(self, url: str, gateway: str) -> None:
        self._url = url
        self._gateway = gateway

    def renew(self) -> bool:
        """Says that this gateway lives, for ten seconds; whether Redis did not know it before.

        Then Redis lost it, or another gateway took it for dead and its sessions for gone.
        """
        return bool(self._client().eval(_LEASE, 1, keys.GATEWAYS, self._gateway, str(LEASE_MS)))

    def end(self) -> None:
        """Lets the lease end now; another gateway tidies up behind this one."""
        self._client().zadd(keys.GATEWAYS, {self._gateway: 0}, xx=True)

    def slots(self) -> int:
        """How many batches this gateway may have under way: its share of the workers, or one."""
        counted: Any = self._client().eval(_COUNT, 2, keys.GATEWAYS, WORKERS)
        gateways, workers = cast(tuple[int, int], counted)
        return max(1, math.ceil(workers / max(1, gateways)))

    def _client(self) -> "redis.Redis":
        return connection_redis.client(self._url)
