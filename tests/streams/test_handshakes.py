"""Requests for a WebSocket as nobody sane sends them, on both servers: refused, without a word of
trouble in the log."""

import socket
import time
from collections.abc import Iterator

import pytest

from rtai_client import Client, State, Token
from tests.streams.raw_guests import Raw, handshake
from tests.streams.sse_guests import Door, token

ORIGIN = "https://example.org"
FOREIGN = "https://evil.example"


def asked(sse: Door, *lines: bytes, given: str | None = None) -> bytes:
    """The answer to a handshake with these lines more in its head."""
    head, _, _ = handshake(sse, given).partition(b"\r\n\r\n")
    return sent(sse, b"\r\n".join([head, *lines, b"", b""]))


def sent(sse: Door, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", sse.port), timeout=10) as client:
        client.sendall(request)
        got = b""
        while b"\r\n\r\n" not in got and (more := client.recv(65_536)):
            got += more
        return got


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.fixture(autouse=True)
def quiet(sse: Door) -> Iterator[None]:
    """The server's log tells of no failure."""
    before = sse.log.stat().st_size
    yield
    said = sse.log.read_bytes()[before:].decode(errors="replace")
    assert "Traceback" not in said
    assert "ERROR" not in said


@pytest.mark.parametrize(
    "line",
    [
        b"X-A: a\rOrigin: https://example.org",
        b"X-A: a\nX-B b",
        b"X-A: a\0b",
        b"X-A: a\x0bX-Forwarded-For: 203.0.113.9",
        b"X-A: a\x1cb",
        b"X A: b",
        b"X\0A: b",
        b"X(A): b",
        b": b",
        b"no colon",
        "X-Ä: b".encode(),
    ],
)
def test_a_head_that_is_none_is_refused(sse: Door, line: bytes) -> None:
    assert status(asked(sse, line)) == 400


@pytest.mark.parametrize("order", [(ORIGIN, FOREIGN), (FOREIGN, ORIGIN), (ORIGIN, ORIGIN)])
def test_an_origin_counts_once(sse: Door, order: tuple[str, str]) -> None:
    lines = [f"Origin: {each}".encode() for each in order]
    assert status(asked(sse, *lines)) in (400, 403)


def test_a_header_with_an_underscore_is_not_the_one_with_a_hyphen(sse: Door) -> None:
    assert status(asked(sse, f"Origin: {FOREIGN}".encode())) == 403
    assert status(asked(sse, f"Sec_WebSocket_Protocol: {FOREIGN}".encode())) == 101
    without = handshake(sse).replace(b"Sec-WebSocket-Protocol", b"Sec_WebSocket_Protocol")
    assert status(sent(sse, without)) == 401


def test_two_forwarded_addresses_are_a_strangers_word(sse: Door) -> None:
    lines = [b"X-Forwarded-For: 203.0.113.9", b"X-Forwarded-For: 203.0.113.10"]
    assert status(asked(sse, *lines)) == 101
    addresses = {sse.valkey.hget(key, "address") for key in sse.valkey.keys("rtai:session:*")}
    client = Raw(sse).open()
    session = client.hear("welcome")["session"]

    assert addresses <= {sse.valkey.hget(f"rtai:session:{session}", "address"), None}


@pytest.mark.parametrize("more", ["ä", "\N{GRINNING FACE}", "\u0085", "rtai.token.ä"])
def test_a_subprotocol_that_is_not_ascii_is_refused(sse: Door, more: str) -> None:
    for place in ("rtai.v1, {}", "{}, rtai.v1"):
        request = handshake(sse).replace(b"rtai.v1", place.format(more).encode(), 1)
        assert status(sent(sse, request)) == 400


@pytest.mark.parametrize("given", ["", "forged", token(exp=1)[:-3] + "abc"])
def test_a_token_that_is_missing_or_forged_is_a_401(sse: Door, given: str) -> None:
    head = asked(sse, given=given)
    assert status(head) == 401
    assert b"www-authenticate: bearer" in head.lower()
    assert b"connection: close" in head.lower()


async def test_a_client_whose_secret_was_changed_asks_for_a_fresh_token(sse: Door) -> None:
    asked = []

    async def tokens(fresh: bool) -> Token:
        asked.append(fresh)
        return Token(token() if fresh else "signed.before.that", time.time() + 300)

    async with Client(f"http://127.0.0.1:{sse.port}", tokens, random=lambda: 0) as client:
        assert client.state is State.OPEN
    assert asked == [False, True]


def test_a_foreign_origin_is_a_403_that_says_so(sse: Door) -> None:
    with socket.create_connection(("127.0.0.1", sse.port), timeout=10) as client:
        origin = f"\r\nOrigin: {FOREIGN}\r\n\r\n".encode()
        client.sendall(handshake(sse).replace(b"\r\n\r\n", origin))
        got = b""
        while more := client.recv(65_536):
            got += more
    assert status(got) == 403
    assert got.endswith(b"The origin is not on the site's list.")
