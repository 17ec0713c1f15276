"""Connections to Redis or Valkey: from one URL to what each library wants."""

import asyncio
import functools
import tempfile
import weakref
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel

SOCKET = "valkey.sock"
MAX_SOCKET_PATH = 100
"""Unix socket paths end at 104 bytes on macOS and 108 on Linux."""

OPTIONS: dict[str, Any] = {
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "health_check_interval": 15,
    "decode_responses": True,
}
MAX_CONNECTIONS = 512


def embedded_socket(data_dir: Path) -> Path:
    """Where the embedded Valkey listens: in the data folder, or, where that path is too long,
    in a folder of the temporary directory that is named after it."""
    path = data_dir / SOCKET
    if len(str(path).encode()) <= MAX_SOCKET_PATH:
        return path
    short = sha256(str(data_dir).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"rtai-{short}" / SOCKET


def embedded_url(data_dir: Path) -> str:
    """The embedded Valkey's URL."""
    return f"unix://{embedded_socket(data_dir)}?db=0"


def channel_host(url: str) -> Any:
    """The entry of channels-redis' `hosts` for this URL."""
    if (found := _sentinel(url)) is None:
        return {"address": url}
    hosts, service, db = found
    return {"sentinels": hosts, "master_name": service, "db": db}


def celery_broker(url: str) -> tuple[str, dict[str, Any]]:
    """Celery's broker URL and transport options for this URL."""
    options: dict[str, Any] = {"visibility_timeout": 300, "socket_keepalive": True}
    if (found := _sentinel(url)) is not None:
        hosts, service, number = found
        return ";".join(f"sentinel://{host}:{port}/{number}" for host, port in hosts), {
            **options,
            "master_name": service,
        }
    parts = urlsplit(url)
    if parts.scheme == "unix":
        db = parts.query.removeprefix("db=") or "0"
        return f"redis+socket://{parts.path}?virtual_host={db}", options
    return url, options


@functools.cache
def client(url: str) -> "redis.Redis":
    """A synchronous client, one for each process and URL."""
    if (found := _sentinel(url)) is not None:
        hosts, service, db = found
        sentinel: Any = redis.sentinel.Sentinel(hosts, **OPTIONS)  # type: ignore[no-untyped-call]
        return cast("redis.Redis", sentinel.master_for(service, db=db, **OPTIONS))
    return redis.Redis.from_url(url, max_connections=MAX_CONNECTIONS, **OPTIONS)


_async_clients: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, redis.asyncio.Redis]" = (
    weakref.WeakKeyDictionary()
)


def async_client(url: str) -> "redis.asyncio.Redis":
    """An asynchronous client, one for each event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _async_clients:
        _async_clients[loop] = _new_async_client(url)
    return _async_clients[loop]


def _new_async_client(url: str) -> "redis.asyncio.Redis":
    options = {**OPTIONS, "max_connections": MAX_CONNECTIONS}
    if (found := _sentinel(url)) is not None:
        hosts, service, db = found
        sentinel: Any = redis.asyncio.sentinel.Sentinel(hosts, **OPTIONS)  # type: ignore[no-untyped-call]
        return cast("redis.asyncio.Redis", sentinel.master_for(service, db=db, **options))
    return redis.asyncio.Redis.from_url(url, **options)


def _sentinel(url: str) -> tuple[list[tuple[str, int]], str, int] | None:
    """Hosts, service and database of `redis+sentinel://host:port,host:port/service/db`."""
    prefix = "redis+sentinel://"
    if not url.startswith(prefix):
        return None
    hosts, _, rest = url.removeprefix(prefix).partition("/")
    service, _, db = rest.partition("/")
    return list(_hosts(hosts)), service or "mymaster", int(db or 0)


def _hosts(text: str) -> Iterator[tuple[str, int]]:
    for each in text.split(","):
        host, _, port = each.rpartition(":")
        yield (host, int(port)) if host else (port, 26379)
