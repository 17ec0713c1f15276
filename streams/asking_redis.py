"""Commands that many sessions have at the same time, sent to Redis together.

A round trip costs a gateway several times what the command itself costs; in a storm of clients
those that ask while one is under way share the next.
"""

import asyncio
import weakref
from hashlib import sha1
from typing import Any, TypeAlias

import redis
import redis.exceptions

from inference import connection_redis

MOST = 128
"""Commands of one round trip."""

Part: TypeAlias = str | int
Asked: TypeAlias = "tuple[tuple[Part, ...], asyncio.Future[Any]]"


class Script:
    """A Lua script, known to Redis by its digest once it ran."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._digest = sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, url: str, names: list[str], arguments: list[Part]) -> Any:
        """Its result; raises redis.RedisError or OSError."""
        rest = (len(names), *names, *arguments)
        try:
            return await ask(url, "EVALSHA", self._digest, *rest)
        except redis.exceptions.NoScriptError:
            return await ask(url, "EVAL", self._text, *rest)


async def ask(url: str, *command: Part) -> Any:
    """A command's result, one round trip shared with whoever asks meanwhile.

    Raises redis.RedisError or OSError.
    """
    loop = asyncio.get_running_loop()
    if (asking := _asking.get(loop)) is None:
        asking = _asking[loop] = {}
    if url not in asking:
        asking[url] = _Asking(url)
    return await asking[url].ask(command)


class _Asking:
    """What is asked of one Redis in one event loop."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._asked: list[Asked] = []
        self._sending: asyncio.Task[None] | None = None

    async def ask(self, command: tuple[Part, ...]) -> Any:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._asked.append((command, future))
        if self._sending is None:
            self._sending = loop.create_task(self._send())
        return await future

    async def _send(self) -> None:
        try:
            while self._asked:
                some, self._asked = self._asked[:MOST], self._asked[MOST:]
                await self._send_some(some)
        finally:
            self._sending = None

    async def _send_some(self, some: list[Asked]) -> None:
        pipeline = connection_redis.async_client(self._url).pipeline(transaction=False)
        for command, _ in some:
            pipeline.execute_command(*command)
        try:
            found = await pipeline.execute(raise_on_error=False)
        except (redis.RedisError, OSError) as error:
            found = [error] * len(some)
        except BaseException:
            for _, future in some:
                future.cancel()
            raise
        for (_, future), result in zip(some, found, strict=True):
            _settle(future, result)


def _settle(future: "asyncio.Future[Any]", result: Any) -> None:
    if future.done():  # Whoever asked has gone.
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)


_asking: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Asking]]" = (
    weakref.WeakKeyDictionary()
)
