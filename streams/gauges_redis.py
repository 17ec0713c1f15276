"""What is measured when somebody asks: messages that wait, and live workers."""

import logging
from typing import Any, cast

import redis

from inference import connection_redis
from inference import metrics_prometheus as metrics
from inference.workers_redis import WORKERS
from policy import keys
from policy.load_redis import JudgingLoad

# KEYS: pending, workers. A message's id begins with the time at which it was accepted.
_MEASURE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local oldest = now
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, 999)) do
  oldest = math.min(oldest, tonumber(string.sub(id, 1, 12), 16) or now)
end
local workers = redis.call('ZCOUNT', KEYS[2], now, '+inf')
return {redis.call('ZCARD', KEYS[1]), now - oldest, workers}
"""

logger = logging.getLogger(__name__)


def measure(url: str) -> None:
    """Sets the gauges; without Redis they keep their values."""
    try:
        client = connection_redis.client(url)
        found: Any = client.eval(_MEASURE, 2, keys.PENDING, WORKERS)
        wait_ms = JudgingLoad(client).measure().wait_ms
    except (redis.RedisError, OSError) as error:
        logger.warning("Gauges could not be read: %s", error)
        return
    pending, age_ms, workers = cast(tuple[int, int, int], found)
    metrics.PENDING_MESSAGES.set(pending)
    metrics.OLDEST_PENDING.set(max(0, age_ms) / 1000)
    metrics.PREDICTED_WAIT.set(-1 if wait_ms is None else wait_ms / 1000)
    metrics.WORKERS.set(workers)
