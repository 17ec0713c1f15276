"""What subscribers may listen to: the product on either server, and its peers, by one name each."""

import contextlib
import subprocess
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from benchmarks import publishing
from benchmarks.connections import Connection, Heard, connect, subscribe
from benchmarks.peers import running, socketio_client
from benchmarks.peers import settings as best
from benchmarks.products import STREAM, gateway, redis_url, resident, started, tokens
from tests.product import ROOT, Product

NAMES = ("daphne", "uvicorn", "tutorial", "socketio")

Listen = Callable[[str, Heard | None, str], Awaitable[Connection]]
"""Opens a subscribed connection: a token, who hears its frames, and its own address."""


@dataclass(frozen=True, slots=True)
class Target:
    """Something with one stream. `publisher` wants RATE, COUNT, START and SIZE after it."""

    name: str
    listen: Listen
    publisher: Sequence[str]
    passes: Callable[[int], Sequence[str]]
    processes: Callable[[], Sequence[psutil.Process]]

    def publish(self, per_s: float, count: int, start: float) -> "subprocess.Popen[bytes]":
        """Publishes at a rate from a process of its own."""
        arguments = [str(per_s), str(count), str(start), "120"]
        return subprocess.Popen([*self.publisher, *arguments], cwd=self._folder)

    def resident(self) -> int:
        """Bytes that the processes with the connections have in memory."""
        return sum(resident(each) for each in self.processes())

    def cpu_s(self) -> float:
        """Seconds of CPU that these have used so far."""
        found = [each.cpu_times() for each in self.processes()]
        return float(sum(each.user + each.system for each in found))

    @property
    def _folder(self) -> Any:
        return running.INSTALLED if "peer.mjs" in self.publisher else ROOT


@contextlib.contextmanager
def opened(name: str, settings: Any = None) -> Iterator[Target]:
    """The target of this name, running; raises `running.NotMeasured` where it cannot run.

    `settings` are those of a peer; without them it has its best.
    """
    if name == "tutorial":
        with running.tutorial(settings or best.tutorial(best.FOR_FAN_OUT)) as peer:
            yield _of_peer(name, peer, _by_protocol(peer.port))
    elif name == "socketio":
        with running.socketio(settings) as peer:

            async def listen(token: str, heard: Heard | None, source: str) -> Connection:
                return await socketio_client.listen(peer.port, heard, source)

            yield _of_peer(name, peer, listen)
    else:
        with started(name) as product:
            yield of_product(product)


def of_product(product: Product) -> Target:
    """The product, as it runs."""
    return Target(
        product.environ["RTAI_SERVER"],
        _by_protocol(product.port),
        publishing.command(redis_url(product)),
        lambda count: tokens(product, count),
        lambda: [gateway(product)],
    )


def _of_peer(name: str, peer: running.Peer, listen: Listen) -> Target:
    return Target(name, listen, peer.publisher, lambda count: ["free"] * count, peer.processes)


def _by_protocol(port: int) -> Listen:
    async def listen(token: str, heard: Heard | None, source: str) -> Connection:
        found = await connect(port, token, heard, source=source)
        await subscribe(found, STREAM)
        return found

    return listen
