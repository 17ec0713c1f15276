"""What a server's process takes of memory while something happens."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from tests.streams.sse_guests import Door

MIB = 2**20


@contextmanager
def little_memory(sse: Door, most: int = 5 * MIB) -> Iterator[None]:
    """The server's resident memory grows by so many bytes at most meanwhile, however short it may
    be."""
    process, over = psutil.Process(sse.process.pid), threading.Event()
    found = [process.memory_info().rss]

    def watch() -> None:
        while not over.wait(0.01):
            found.append(process.memory_info().rss)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()
    assert max(found) - found[0] <= most
