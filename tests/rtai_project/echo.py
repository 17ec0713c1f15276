"""A small application on one of our servers, as a process:
`python -m tests.rtai_project.echo SERVER PORT [PROXIES [LIMITS [BODY_S]]]`, with limits as JSON."""

import asyncio
import gc
import importlib
import json
import resource
import sys
import time
from ipaddress import ip_network
from typing import Any

from rtai_project import request_limits
from rtai_project.serving import Served
from streams.limits import check
from streams.turnstile import Turnstile

CHUNK = "x" * 60_000
TWO_DAYS_S = 2 * 24 * 3600
AGES = {"Protocol": ("socket_opened",), "Request": ("request_start",)}
"""Where Daphne keeps since when a connection is open."""
clients: set[Any] = set()
sent = 0
received = 0
refused: list[str] = []


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http" and scope["path"] == "/drip":
        await _drip(receive, send)
    elif scope["type"] == "http":
        size = await _read(receive) if scope["path"].endswith("/read") else 0
        await _http(scope, send, size)
    elif scope["path"] == "/refuse":
        await receive()
        await send({"type": "websocket.close"})
    else:
        await _websocket(scope, receive, send)


async def _read(receive: Any) -> int:
    """The length of a body, once it is whole."""
    size = 0
    while (message := await receive())["type"] == "http.request":
        size += len(message["body"])
        if not message.get("more_body"):
            return size
    return -1


async def _http(scope: Any, send: Any, size: int) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    body = {
        "rss_kib": usage, "sent": sent, "received": received, "scheme": scope["scheme"],
        "client": scope["client"][0], "headers": headers, "refused": refused, "size": size,
    }  # fmt: skip
    if scope["path"] == "/held":
        gc.disable()
        kinds = [type(each).__name__ for each in gc.get_objects()]
        body |= {"sockets": kinds.count("Protocol"), "requests": kinds.count("Request")}
    if scope["path"] == "/age":
        body["aged"] = _age()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


def _age() -> int:
    """Makes every connection and request of Daphne two days older; how many there were."""
    found = 0
    for each in gc.get_objects():
        for name in AGES.get(type(each).__name__, ()):
            if name in vars(each):
                setattr(each, name, getattr(each, name) - TWO_DAYS_S)
                found += 1
    return found


async def _drip(receive: Any, send: Any) -> None:
    """An event every tenth of a second, until the client is gone."""
    await receive()
    gone = asyncio.ensure_future(receive())
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    while not gone.done():
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        await asyncio.wait({gone}, timeout=0.1)


async def _websocket(scope: Any, receive: Any, send: Any) -> None:
    global received
    path, offered = scope["path"], scope["subprotocols"]
    await receive()
    if path == "/late":
        await asyncio.sleep(1)
    await send({"type": "websocket.accept", "subprotocol": offered[0] if offered else None})
    clients.add(send)
    if path == "/pour":
        await _pour(receive, send)
    elif path == "/desert":
        await _desert(send)
        return
    elif path == "/farewell":
        await send({"type": "websocket.close", "code": 4001, "reason": "{}"})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            clients.discard(send)
            return
        received += 1
        if path == "/slow":
            await asyncio.Event().wait()
        await _answer(message, send)


async def _answer(message: Any, send: Any) -> None:
    """Does what a text asks for, or sends it back."""
    text = message.get("text")
    if text and text.startswith("count "):
        await _count(int(text[6:]), send)
    elif text and text.startswith("close "):
        reason = json.dumps({"retry_after_ms": 5})
        await send({"type": "websocket.close", "code": int(text[6:]), "reason": reason})
    elif text is not None:
        await send({"type": "websocket.send", "text": text})
    else:
        await send({"type": "websocket.send", "bytes": message["bytes"]})


async def _pour(receive: Any, send: Any) -> None:
    """Sends without end, until the client is gone."""
    global sent
    gone = asyncio.ensure_future(receive())
    while not gone.done():
        await send({"type": "websocket.send", "text": CHUNK})
        sent += 1
        await asyncio.sleep(0)


async def _count(number: int, send: Any) -> None:
    """Sends so many numbered frames."""
    global sent
    for each in range(number):
        await send({"type": "websocket.send", "text": f"{each} {CHUNK}"})
        sent += 1


async def _desert(send: Any) -> None:
    """Sends until the client makes it wait, and ends without a word."""
    while True:
        sending = asyncio.ensure_future(send({"type": "websocket.send", "text": CHUNK}))
        done, _ = await asyncio.wait({sending}, timeout=0.5)
        if not done:
            sending.cancel()
            return


async def opened() -> None:
    print("opened", flush=True)


async def drained() -> None:
    for send in list(clients):
        await send({"type": "websocket.close", "code": 4001, "reason": '{"retry_after_ms": 500}'})
    print("drained", flush=True)


def main(name: str, port: str, proxies: str = "", limits: str = "{}", body_s: str = "") -> str:
    request_limits.BODY_S = float(body_s or request_limits.BODY_S)
    server = importlib.import_module(f"rtai_project.server_{name}")
    trusted = [ip_network(each) for each in proxies.split()]
    turnstile = Turnstile(trusted, time.monotonic, refused.append)
    turnstile.use({name: check(name, rate) for name, rate in json.loads(limits).items()})
    return str(server.run(Served(application, opened, drained, turnstile), "127.0.0.1", int(port)))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) or 0)
