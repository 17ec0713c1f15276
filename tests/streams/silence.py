"""A TCP proxy before the tests' Valkey that falls silent: connections stay open, nothing passes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit


class Silencer:
    """Connections made after `silence` pass again, as after a firewall forgot the older ones."""

    def __init__(self, behind: str) -> None:
        self._path = urlsplit(behind).path
        self._silent: set[asyncio.StreamWriter] = set()
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""

    def silence(self) -> None:
        """Swallows from now on what any open connection carries."""
        self._silent |= self._open

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, before = await asyncio.open_unix_connection(self._path)
        for source, target in ((reader, before), (behind, writer)):
            self._open.add(target)
            task = asyncio.create_task(self._carry(source, target))
            self._tasks.add(task)

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                if target not in self._silent:
                    target.write(data)
        target.close()

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._open:
            writer.close()


@contextlib.asynccontextmanager
async def silencer(behind: str) -> AsyncIterator[Silencer]:
    """The proxy; its `url` leads to the Valkey behind it."""
    made = Silencer(behind)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    try:
        yield made
    finally:
        server.close()
        await made.end()
