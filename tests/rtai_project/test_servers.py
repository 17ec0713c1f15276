"""Both servers, as processes, carry the same application in the same way."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
import websockets

from tests.rtai_project.echoes import Served, serve
from tests.rtai_project.waiting import wait_until


@pytest.fixture(params=["daphne", "uvicorn"])
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    with serve(request.param) as found:
        yield found


@pytest.mark.parametrize("size", [1, 125, 126, 65_535, 65_536, 300_000])
def test_a_frame_of_any_size_comes_back_whole(served: Served, size: int) -> None:
    with served.connect() as client:
        text = "é" * (size // 2) + "x" * (size % 2)
        client.send(text)
        client.send(b"\x00\xff" * size)
        assert client.recv() == text
        assert client.recv() == b"\x00\xff" * size


def test_frames_arrive_in_order(served: Served) -> None:
    with served.connect() as client:
        for number in range(2_000):
            client.send(str(number))
        assert [client.recv() for _ in range(2_000)] == [str(each) for each in range(2_000)]


@pytest.mark.parametrize("code", [1000, 4001, 4503])
def test_a_close_frame_carries_code_and_reason(served: Served, code: int) -> None:
    with served.connect() as client:
        client.send(f"close {code}")
        with pytest.raises(websockets.ConnectionClosed) as closed:
            client.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (code, '{"retry_after_ms": 5}')


def test_the_subprotocol_is_the_one_that_the_application_chose(served: Served) -> None:
    with served.connect(subprotocols=["rtai.v1", "rtai.token.x"]) as client:
        assert client.subprotocol == "rtai.v1"


def test_a_client_that_offers_compression_is_served_without_it(served: Served) -> None:
    with served.connect(compression="deflate", open_timeout=10) as client:
        assert client.protocol.extensions == []


def test_a_refused_handshake_is_a_403(served: Served) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused, served.connect("/refuse"):
        pass
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("origin", ["null", "https://example.org"])
def test_which_origin_may_pass_is_for_the_application_to_say(served: Served, origin: str) -> None:
    with served.connect(origin=origin) as client:
        client.send("hello")
        assert client.recv() == "hello"


def test_a_frame_over_a_mebibyte_is_closed_with_1009(served: Served) -> None:
    with served.connect() as client:
        client.send("x" * (1024 * 1024))
        assert len(client.recv()) == 1024 * 1024
        with suppress(websockets.ConnectionClosed):  # It may come before all is sent.
            client.send("x" * (1024 * 1024 + 1))
        with pytest.raises(websockets.ConnectionClosed) as closed:
            client.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


def test_forwarded_headers_do_not_change_the_client(served: Served) -> None:
    state = served.state({"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"})
    assert (state["client"], state["scheme"]) == ("127.0.0.1", "http")
    assert state["headers"]["x-forwarded-for"] == "203.0.113.9"


def test_a_client_that_never_reads_costs_little_and_is_cut_off(served: Served) -> None:
    before = served.state()["rss_kib"]
    client = _raw(served, "/pour")
    try:
        wait_until(lambda: _stands_still(served), "the application waits for the client")
        assert served.state()["rss_kib"] - before < 4 * 1024
        wait_until(lambda: _is_cut_off(client), "the client is cut off", seconds=10)
    finally:
        client.close()


def test_a_client_that_reads_again_in_time_has_lost_nothing(served: Served) -> None:
    with served.connect(max_queue=1) as client:
        client.send("count 300")
        wait_until(lambda: _stands_still(served), "the application waits for the client")
        got = [str(client.recv()) for _ in range(300)]

    assert [int(text.partition(" ")[0]) for text in got] == list(range(300))
    assert {len(text.partition(" ")[2]) for text in got} == {60_000}


@pytest.mark.parametrize("served", ["daphne"], indirect=True)
def test_connections_that_ended_are_gone_without_a_garbage_collection(served: Served) -> None:
    served.state(path="/held")
    for number in range(10):
        with served.connect() as client:
            client.send("here")
            assert client.recv() == "here"
            if number % 2:
                client.socket.close()
    wait_until(lambda: served.state(path="/held")["sockets"] == 0, "no WebSocket is held")


@pytest.mark.parametrize("served", ["daphne"], indirect=True)
def test_a_websocket_holds_nothing_of_its_request(served: Served) -> None:
    served.state(path="/held")
    with served.connect(), served.connect(), served.connect():
        wait_until(
            lambda: served.state(path="/held")["requests"] == 1,
            "only the request that asks is held",
        )
        assert served.state(path="/held")["sockets"] == 3


def test_a_client_that_never_ends_its_request_is_cut_off(served: Served) -> None:
    silent, talking, kept = (_connected(served) for _ in range(3))
    kept.settimeout(10)
    kept.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = kept.recv(12)
    kept.settimeout(0.1)
    for client in (talking, kept):
        client.sendall(b"GET / HTTP/1.1\r\n")
    try:
        for client in (talking, kept):
            wait_until(lambda each=client: _gives_up(each, b"X: y\r\n"), "it is cut off")  # type: ignore[misc]
        wait_until(lambda: _gives_up(silent, b""), "so is one that says nothing")
    finally:
        for client in (silent, talking, kept):
            client.close()
    assert answer == b"HTTP/1.1 200"
    assert served.state()["sent"] == 0


def test_what_a_client_has_not_taken_is_dropped_with_its_application(served: Served) -> None:
    client = _raw(served, "/desert")
    try:
        wait_until(lambda: _is_cut_off(client), "the connection is dropped", seconds=10)
    finally:
        client.close()


def test_a_close_frame_that_nobody_answers_is_not_waited_for(served: Served) -> None:
    client = _raw(served, "/farewell")
    try:
        wait_until(lambda: _is_cut_off(client), "the connection is dropped", seconds=8)
    finally:
        client.close()


def test_a_client_that_floods_costs_little(served: Served) -> None:
    before = served.state()["rss_kib"]
    client = _raw(served, "/slow")
    client.setblocking(False)
    frame = b"\x81\xfe\xff\xff\x00\x00\x00\x00" + b"x" * 65_535
    deadline, taken = time.monotonic() + 2, 0
    try:
        while time.monotonic() < deadline:
            try:
                taken += client.send(frame)
            except BlockingIOError:
                continue
        assert served.state()["rss_kib"] - before < 8 * 1024
        assert taken < 64 * 1024 * 1024
    finally:
        client.close()


def test_a_signal_drains_the_clients_and_ends_with_status_0(served: Served) -> None:
    with served.connect() as one, served.connect() as other:
        served.process.terminate()
        for client in (one, other):
            with pytest.raises(websockets.ConnectionClosed) as closed:
                client.recv(timeout=10)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4001
            assert json.loads(closed.value.rcvd.reason) == {"retry_after_ms": 500}
    assert served.process.wait(10) == 0
    assert served.process.stdout is not None
    assert served.process.stdout.read().split() == ["opened", "drained"]


def test_what_has_been_open_for_two_days_stays_open(served: Served) -> None:
    stream = httpx.stream("GET", f"http://127.0.0.1:{served.port}/drip", trust_env=False)
    with served.connect() as client, stream as response:
        lines = response.iter_lines()
        assert next(lines) == "data: 1"
        aged = served.state(path="/age")["aged"]
        for _ in range(60):  # Three seconds: the server looks at its connections every second.
            next(lines)
        client.send("still here")
        assert client.recv() == "still here"
        assert aged >= (3 if served.server == "daphne" else 0)


@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
def test_a_port_in_use_is_told(server: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = subprocess.run(
            [sys.executable, "-m", "tests.rtai_project.echo", server,
             str(taken.getsockname()[1])],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    assert ended.returncode == 1
    assert "in use" in ended.stderr
    assert "Traceback" not in ended.stderr


def _connected(served: Served) -> socket.socket:
    client = served.dial()
    client.settimeout(0.1)
    return client


def _gives_up(client: socket.socket, more: bytes) -> bool:
    """Whether the server has ended the connection, although there is more to come."""
    try:
        client.send(more)
        while client.recv(65_536):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def _raw(served: Served, path: str) -> socket.socket:
    """A WebSocket after its handshake, whose bytes nobody reads."""
    client = socket.create_connection(("127.0.0.1", served.port), timeout=5)
    client.sendall(
        f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n"
        "\r\n".encode()
    )
    assert b" 101 " in client.recv(30)
    return client


def _stands_still(served: Served) -> bool:
    before = served.state()["sent"]
    first = time.monotonic()
    while time.monotonic() < first + 0.3:
        if served.state()["sent"] != before:
            return False
    return bool(before)


def _is_cut_off(client: socket.socket) -> bool:
    """A write to a connection that the other side aborted fails."""
    try:
        client.send(b"\x8a\x80\x00\x00\x00\x00")
    except OSError:
        return True
    return False
