"""Both servers turn away requests that are too large or too slow, and say which limit it was."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from rtai_project.request_limits import MAX_BODY, MAX_HEAD
from tests.rtai_project.echoes import Served, serve
from tests.rtai_project.raw import answer
from tests.rtai_project.waiting import wait_until

POST = b"POST /read HTTP/1.1\r\nHost: x\r\n"
BODY = f"A body has at most {MAX_BODY} bytes."
HEAD = f"The head of a request has at most {MAX_HEAD} bytes."


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    with serve(request.param) as found:
        yield found


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def hasty(request: pytest.FixtureRequest) -> Iterator[Served]:
    """A server that gives a body half a second."""
    with serve(request.param, body_s=0.5) as found:
        yield found


def told(client: socket.socket) -> tuple[int, dict[str, Any]]:
    """Status and problem of the connection's only and last answer."""
    head, _, body = answer(client, 5).partition(b"\r\n\r\n")
    assert b"connection: close" in head
    return int(head.split()[1]), json.loads(body)


def size_of_the_body(client: socket.socket) -> int:
    head, _, body = answer(client).partition(b"\r\n\r\n")
    assert head.split()[1] == b"200"
    body = body.partition(b"{")[2].rpartition(b"}")[0]
    return int(json.loads(b"{" + body + b"}")["size"])


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@pytest.mark.parametrize("size", [0, 1, 65_536, 1024 * 1024, MAX_BODY])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_up_to_the_limit_is_read(served: Served, size: int, chunked: bool) -> None:
    with served.dial() as client:
        client.sendall(POST + b"Connection: close\r\n")
        if chunked:
            client.sendall(b"Transfer-Encoding: chunked\r\n\r\n")
            for start in range(0, size, 50_000):
                client.sendall(chunk(b"x" * min(50_000, size - start)))
            client.sendall(b"0\r\n\r\n")
        else:
            client.sendall(b"Content-Length: %d\r\n\r\n" % size + b"x" * size)
        assert size_of_the_body(client) == size


@pytest.mark.parametrize("size", [MAX_BODY + 1, 2 * 1024**3, 10**18])
def test_a_body_that_announces_too_much_is_refused_before_it_comes(
    served: Served, size: int
) -> None:
    with served.dial() as client:
        client.sendall(POST + b"Content-Length: %d\r\n\r\n" % size)
        status, problem = told(client)
    assert (status, problem["code"], problem["detail"]) == (413, "too_large", BODY)


OPENAIS = b"POST /v1/read?a=b HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize("chunked", [False, True])
def test_below_v1_a_body_over_the_limit_is_refused_as_openais_clients_know_it(
    served: Served, chunked: bool
) -> None:
    with served.dial() as client:
        if chunked:
            client.sendall(OPENAIS + b"Transfer-Encoding: chunked\r\n\r\n")
            client.sendall(chunk(b"x" * (MAX_BODY + 1)))
        else:
            client.sendall(OPENAIS + b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1))
        status, found = told(client)
    assert status == 413
    assert found["error"] == {
        "message": BODY,
        "type": "invalid_request_error",
        "param": None,
        "code": "context_length_exceeded",
    }


def test_below_v1_a_body_that_does_not_end_is_told_so_alike(hasty: Served) -> None:
    with hasty.dial() as client:
        client.sendall(OPENAIS + b"Content-Length: 10\r\n\r\n12345")
        status, found = told(client)
    assert (status, found["error"]["code"]) == (408, "timeout")


def test_a_client_that_sends_too_much_reads_the_answer_all_the_same(served: Served) -> None:
    with served.dial() as client:
        client.sendall(POST + b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1))
        client.sendall(b"x" * (MAX_BODY + 1))
        assert told(client)[0] == 413


def test_a_body_without_a_length_is_refused_once_it_is_too_large(served: Served) -> None:
    with served.dial() as client:
        client.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(MAX_BODY // 65_536):
            client.sendall(chunk(b"x" * 65_536))
        client.sendall(chunk(b"x"))
        status, problem = told(client)
    assert (status, problem["detail"]) == (413, BODY)
    assert served.state()["size"] == 0


def test_a_body_that_does_not_end_is_given_up(hasty: Served) -> None:
    with hasty.dial() as client:
        client.sendall(POST + b"Content-Length: 10\r\n\r\n12345")
        status, problem = told(client)
    assert (status, problem["code"]) == (408, "deadline_exceeded")
    assert problem["detail"] == "The body did not come within 0.5 s."


def test_a_slow_answer_and_a_kept_connection_have_no_part_in_that(hasty: Served) -> None:
    with hasty.dial() as client:
        for _ in range(2):
            client.sendall(POST + b"Content-Length: 4\r\n\r\nbody")
            got = b""
            while b'"size": 4' not in got:
                got += client.recv(65_536)
            assert got.startswith(b"HTTP/1.1 200")
            assert _is_kept(client, 0.7)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * MAX_HEAD + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_HEAD + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 600 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %b\r\n" % (n, b"y" * 90) for n in range(200)),
    ],
    ids=["path", "header", "many headers", "much in all"],
)
@pytest.mark.parametrize("by", [100_000, 500])
def test_a_head_over_the_limit_is_refused(served: Served, head: bytes, by: int) -> None:
    with served.dial() as client:
        for start in range(0, len(head), by):
            client.sendall(head[start : start + by])
        status, problem = told(client)
    assert (status, problem["code"], problem["detail"]) == (431, "too_large", HEAD)


def test_a_head_that_never_ends_takes_no_memory(served: Served) -> None:
    before = served.state()["rss_kib"]
    with served.dial() as client:
        client.sendall(b"GET / HTTP/1.1\r\nX: ")
        wait_until(lambda: _ends(client, b"x" * 65_536), "it is cut off", seconds=5)
    assert served.state()["rss_kib"] - before < 2 * 1024


@pytest.mark.parametrize("request_", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n"])
def test_what_is_no_request_is_told_so_once(served: Served, request_: bytes) -> None:
    with served.dial() as client:
        client.sendall(request_)
        status, problem = told(client)
    assert (status, problem["detail"]) == (400, "The request cannot be read.")


def test_a_limit_that_one_request_breaks_is_no_other_ones(served: Served) -> None:
    with served.dial() as client:
        client.sendall(POST + b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1))
        told(client)
    with served.dial() as client:
        client.sendall(POST + b"Content-Length: 3\r\nConnection: close\r\n\r\nabc")
        assert size_of_the_body(client) == 3


def _is_kept(client: socket.socket, seconds: float) -> bool:
    """Whether the connection stands for so long."""
    client.settimeout(seconds)
    try:
        while client.recv(65_536):
            continue
    except TimeoutError:
        return True
    return False


def _ends(client: socket.socket, more: bytes) -> bool:
    """Whether the server takes nothing more."""
    try:
        client.sendall(more)
    except OSError:
        return True
    return False
