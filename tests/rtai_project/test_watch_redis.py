"""The watch over workers, with a real Valkey: who begins is announced to what waits."""

import socket
import threading

import redis

from generation import keys, scripts_redis
from inference.workers_redis import GENERATORS, Description, Heartbeat
from rtai_project.watch_redis import Watch


def announced(valkey: redis.Redis, watch: Watch) -> bool:
    """Whether one look of the watch tells what waits to be patient."""
    valkey.delete(keys.WORKED)
    watch.look()
    return bool(valkey.exists(keys.WORKED))


def test_a_worker_that_begins_is_announced_until_it_speaks(valkey: redis.Redis, url: str) -> None:
    watch = Watch(valkey, threading.Event())
    assert not announced(valkey, watch)

    watch.awaited = {17}
    assert announced(valkey, watch)
    assert 0 < valkey.pttl(keys.WORKED) <= scripts_redis.UNTAKEN_MS

    found = Description(17, socket.gethostname())
    Heartbeat(url, "generation-1@here", lambda: found, group=GENERATORS).beat()
    assert not announced(valkey, watch)
    watch.awaited = {18}
    assert announced(valkey, watch)
