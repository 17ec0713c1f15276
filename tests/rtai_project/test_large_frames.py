"""Both servers refuse what is too large before it is there, and hold little of what waits."""

import socket
import struct
import time

import pytest

from rtai_project.serving import MAX_FRAME_BYTES
from tests.rtai_project.echoes import Served
from tests.rtai_project.raw import upgraded
from tests.rtai_project.waiting import wait_until

FIN, TEXT, CONTINUATION, MASK = 0x80, 0x1, 0x0, bytes(4)
PIECE = 64 * 1024 - 1


def head(first: int, size: int) -> bytes:
    """The head of a masked frame that announces so many bytes."""
    if size < 126:
        return struct.pack("!BB", first, 0x80 | size) + MASK
    if size < 65_536:
        return struct.pack("!BBH", first, 0xFE, size) + MASK
    return struct.pack("!BBQ", first, 0xFF, size) + MASK


def close_code(client: socket.socket) -> int:
    """The code of the close frame that comes at once."""
    client.settimeout(2)
    got = b""
    while len(got) < 4:
        more = client.recv(4096)
        assert more, "The connection ended without a close frame."
        got += more
    assert got[0] == FIN | 0x8
    return int.from_bytes(got[2:4], "big")


@pytest.mark.parametrize("size", [MAX_FRAME_BYTES + 1, 2 * 1024**3])
def test_a_frame_that_announces_too_much_is_closed_with_1009_before_it_comes(
    served: Served, size: int
) -> None:
    with upgraded(served) as client:
        client.sendall(head(FIN | TEXT, size))
        assert close_code(client) == 1009


def test_a_message_in_pieces_is_closed_with_1009_once_it_is_too_large(served: Served) -> None:
    with upgraded(served) as client:
        client.sendall(head(TEXT, PIECE) + b"x" * PIECE)
        for _ in range(MAX_FRAME_BYTES // PIECE - 1):
            client.sendall(head(CONTINUATION, PIECE) + b"x" * PIECE)
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.sendall(head(CONTINUATION, PIECE))
        assert close_code(client) == 1009


def test_a_client_that_floods_the_largest_frames_costs_less_than_5_mib(served: Served) -> None:
    before = served.state()["rss_kib"]
    frame = head(FIN | TEXT, MAX_FRAME_BYTES) + b"x" * MAX_FRAME_BYTES
    with upgraded(served, "/slow") as client:
        client.setblocking(False)
        deadline, rest = time.monotonic() + 2, b""
        while time.monotonic() < deadline:
            rest = rest or frame
            try:
                rest = rest[client.send(rest) :]
            except BlockingIOError:
                continue
        assert served.state()["rss_kib"] - before < 5 * 1024


def test_a_client_whose_large_frames_waited_gets_them_all(served: Served) -> None:
    with served.connect(max_size=None) as client:
        client.send("count 60")
        for number in range(12):
            client.send(f"{number}" + "é" * 100_000)
        got = [str(client.recv()) for _ in range(60 + 12)]

    assert [text.partition("é")[0] for text in got[60:]] == [str(number) for number in range(12)]
    wait_until(lambda: served.state()["received"] == 13, "all of them came")
