"""Brings the limits that Redis has to the processes that count their connections in memory."""

import time
from collections.abc import Callable, Mapping

import redis

from inference import connection_redis
from policy.keys import GATEWAYS
from streams import keys
from streams.gateways_redis import LEASE_MS
from streams.limits import Rate
from streams.limits_redis import read_version

PATIENCE_S = LEASE_MS / 1000 + 2
"""Longer than a gateway that died counts as alive."""
LOOK_S = 0.05

# KEYS: gateways, limits. ARGV: what `keys.limits_in_use` gives for a nameless one.
_BEHIND = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local version, behind = redis.call('HGET', KEYS[2], '#'), 0
for _, gateway in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf')) do
  if redis.call('GET', ARGV[1] .. gateway) ~= version then behind = behind + 1 end
end
return behind
"""


class LimitsInUse:
    """One gateway's: synchronous, for a thread."""

    def __init__(self, url: str, gateway: str, use: Callable[[Mapping[str, Rate]], None]) -> None:
        """`use` takes the limits; it is called in the thread."""
        self._url = url
        self._key = keys.limits_in_use(gateway)
        self._use = use

    def refresh(self) -> None:
        """Uses what Redis has now and says so there; keeps the last limits where it has none.

        Raises redis.RedisError.
        """
        client = connection_redis.client(self._url)
        if (found := read_version(client)) is not None:
            version, limits = found
            self._use(limits)
            client.set(self._key, version, px=LEASE_MS)


def wait_until_in_use(
    client: "redis.Redis",
    patience_s: float = PATIENCE_S,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Whether every live gateway soon used the limits that Redis has; raises redis.RedisError."""
    deadline = clock() + patience_s
    while client.eval(_BEHIND, 2, GATEWAYS, keys.LIMITS, keys.limits_in_use("")):
        if clock() >= deadline:
            return False
        sleep(LOOK_S)
    return True
