"""A connection over a limit is turned away with 503, before anything else, on both servers."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import websockets

from tests.rtai_project.echoes import Served, serve
from tests.rtai_project.waiting import wait_until

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.fixture(params=["daphne", "uvicorn"])
def server(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def clients() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def refused(served: Served, **headers: str) -> websockets.Response:
    """The answer to a WebSocket that is turned away."""
    with (
        pytest.raises(websockets.InvalidStatus) as caught,
        served.connect(additional_headers=headers),
    ):
        pass
    return caught.value.response


def answer(client: socket.socket) -> bytes:
    """Everything until the server ends the connection."""
    found = b""
    while piece := client.recv(65_536):
        found += piece
    return found


def test_a_websocket_over_the_cap_is_a_503_that_says_when_to_come_back(
    server: str, clients: ExitStack
) -> None:
    with serve(server, address_sockets="3") as served:
        opened = [clients.enter_context(served.connect()) for _ in range(3)]
        response = refused(served)
        opened[0].close()
        wait_until(lambda: served.get().status_code == 200, "a place is free again")
        opened[1].close()
        wait_until(lambda: served.get().status_code == 200, "so is another")
        state = served.state()
        opened[2].send("still here")
        assert opened[2].recv() == "still here"

    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert response.headers["content-type"] == "application/problem+json"
    assert b'"code": "overloaded"' in response.body
    assert set(state["refused"]) == {"address.sockets"}


def test_a_request_over_the_rate_is_a_503_and_its_connection_over(
    server: str, clients: ExitStack
) -> None:
    with serve(server, process_accepts="1/1h burst 3") as served:
        kept = clients.enter_context(served.dial())
        for client in (kept, clients.enter_context(served.dial())):
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(12) == b"HTTP/1.1 200"
        response = served.get()
        late = clients.enter_context(served.dial())
        late.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n")
        told = answer(late)
        program = clients.enter_context(served.dial())
        program.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
        head, _, shaped = answer(program).partition(b"\r\n\r\n")
        kept.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert kept.recv(65_536)

    assert response.status_code == 503
    assert 3_000 < int(response.headers["retry-after"]) <= 3_600
    assert response.json()["retry_after_ms"] == int(response.headers["retry-after"]) * 1000
    assert response.headers["connection"] == "close"
    assert told.startswith(b"HTTP/1.1 503 ")
    assert b"content-type: application/json" in head
    assert json.loads(shaped)["error"]["code"] == "overloaded"


def test_a_proxys_clients_are_counted_by_their_own_address(server: str, clients: ExitStack) -> None:
    with serve(server, "127.0.0.1/32", address_sockets="1") as served:
        for name in ("203.0.113.1", "203.0.113.2"):
            headers = {"X-Forwarded-For": f"198.51.100.9, {name}"}
            clients.enter_context(served.connect(additional_headers=headers))
        response = refused(served, **{"X-Forwarded-For": "203.0.113.2"})
        again = served.get({"X-Forwarded-For": "203.0.113.1"})
        state = served.state({"X-Forwarded-For": "203.0.113.3"})

    assert (response.status_code, again.status_code) == (503, 503)
    assert state["refused"] == ["address.sockets"] * 2


def test_a_flood_of_sockets_from_one_address_is_turned_away_and_a_guest_stays(
    server: str, clients: ExitStack
) -> None:
    with serve(server, address_sockets="20") as served:
        guest = clients.enter_context(served.connect())
        flood = [clients.enter_context(served.dial()) for _ in range(300)]
        for client in flood[::2]:
            client.sendall(HANDSHAKE)
        told = [answer(client) for client in flood[40::2]]
        assert all(each.startswith(b"HTTP/1.1 503 ") for each in told)
        assert all(b"retry-after: 5\r\n" in each.lower() for each in told)
        guest.send("hello")
        assert guest.recv() == "hello"
        for client in flood[41::2]:
            assert over(client)


def over(client: socket.socket) -> bool:
    """Whether the server drops one that says nothing."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True
