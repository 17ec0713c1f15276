"""uvicorn, with the same drain as our Daphne: `python -m rtai_project.server_uvicorn`."""

import asyncio
import signal
import socket
import sys
from functools import partial

import uvicorn

from rtai_project import serving, websockets_uvicorn
from rtai_project.requests_uvicorn import Protocol

BACKLOG = 1024


class Server(uvicorn.Server):
    """uvicorn's server that starts the gateway first and drains its clients last."""

    def __init__(self, served: serving.Served) -> None:
        """It listens when it runs."""
        super().__init__(configure(served))
        self._served = served
        self._opening: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn's, and the gateway at once instead of with the first client."""
        await super().startup(sockets)
        self._opening = asyncio.create_task(serving.logged(self._served.opened(), "start"))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn's, after the clients were told why they must go."""
        for server in self.servers:
            server.close()
        await serving.logged(self._served.drained(), "drain", timeout_s=serving.DRAIN_S)
        await super().shutdown(sockets)


def configure(served: serving.Served) -> uvicorn.Config:
    """Forwarded headers are the application's to judge, and so is the heartbeat."""
    return uvicorn.Config(
        served.application,
        http=partial(Protocol, turnstile=served.turnstile),  # type: ignore[arg-type]
        ws=websockets_uvicorn.Protocol,
        ws_per_message_deflate=False,
        ws_max_size=serving.MAX_FRAME_BYTES,
        ws_ping_interval=None,
        ws_ping_timeout=None,
        proxy_headers=False,
        server_header=False,
        access_log=False,
        lifespan="off",
        log_config=None,
        log_level="warning",
        timeout_graceful_shutdown=2,
        backlog=BACKLOG,
    )


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; raises OSError where the address cannot be had."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def run(served: serving.Served, host: str, port: int) -> str:
    """Serves until a signal and a drain end it; why it could not listen, or nothing."""
    try:
        listener = bind(host, port)
    except OSError as error:
        return error.strerror or str(error)
    # uvicorn raises the signal that ended it once more; the drain was our answer to it.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Server(served).run(sockets=[listener])
    return ""


def main() -> None:
    """Serves the product; exit status 1 with one line where the address cannot be had."""
    host, port = serving.arguments("server_uvicorn")
    if problem := run(serving.product(), host, port):
        sys.exit(f"error: cannot listen on {host} port {port}: {problem}")


if __name__ == "__main__":
    main()
