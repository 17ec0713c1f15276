"""A gateway's place among the live ones."""

import redis

from inference import connection_redis
from policy import keys

LEASE_MS = 10_000

# KEYS: gateways. ARGV: id, lease ms.
_LEASE = """
local time = redis.call('TIME')
return redis.call('ZADD', KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2], ARGV[1])
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

    def _client(self) -> "redis.Redis":
        return connection_redis.client(self._url)
