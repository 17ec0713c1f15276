"""Both servers answer pings, but no more than their client takes, and take frames in turns."""

import socket
import time

import psutil
import pytest

from tests.rtai_project.echoes import Served
from tests.rtai_project.raw import upgraded
from tests.rtai_project.waiting import wait_until

FIN, TEXT, CONTINUATION, PING, PONG = 0x80, 0x1, 0x0, 0x9, 0xA


def frame(first: int, body: bytes = b"") -> bytes:
    """A short masked frame; the mask is zero."""
    return bytes([first, 0x80 | len(body)]) + bytes(4) + body


def received(client: socket.socket, last: bytes) -> list[tuple[int, bytes]]:
    """Opcodes and bodies of the frames up to one with this body."""
    found = list[tuple[int, bytes]]()
    with client.makefile("rb") as stream:
        while not found or found[-1][1] != last:
            head, size = stream.read(2)
            if size >= 126:
                size = int.from_bytes(stream.read(2 if size == 126 else 8), "big")
            found.append((head & 0x0F, stream.read(size)))
    return found


def stands_still(served: Served) -> bool:
    """Whether the application waits for its client."""
    before = served.state()["sent"]
    time.sleep(0.3)
    return bool(before) and served.state()["sent"] == before


def rests(served: Served) -> bool:
    """Whether the server has nothing to do."""
    before = psutil.Process(served.process.pid).cpu_times().user
    time.sleep(0.5)
    return psutil.Process(served.process.pid).cpu_times().user - before < 0.05


@pytest.mark.parametrize("size", [0, 1, 125])
def test_a_ping_comes_back_as_a_pong(served: Served, size: int) -> None:
    with upgraded(served) as client:
        for number in range(3):
            body = bytes([number]) * size
            client.sendall(frame(FIN | PING, body))
            assert received(client, body) == [(PONG, body)]


def test_a_ping_before_the_handshake_is_over_is_answered_behind_it(served: Served) -> None:
    early = frame(FIN | PING, b"early") + frame(FIN | TEXT, b"too early")
    with upgraded(served, "/late", early=early) as client:
        got = received(client, b"too early")

    assert sorted(got) == [(TEXT, b"too early"), (PONG, b"early")]


def test_pings_that_wait_together_get_one_pong(served: Served) -> None:
    with upgraded(served) as client:
        client.sendall(frame(FIN | TEXT, b"count 300"))
        wait_until(lambda: stands_still(served), "the application waits for the client")
        pings = [frame(FIN | PING, b"%d" % number) for number in range(3_000)]
        client.sendall(b"".join(pings) + frame(FIN | TEXT, b"the end"))
        wait_until(lambda: rests(served), "all of them came")
        got = received(client, b"the end")

    pongs = [body for opcode, body in got if opcode == PONG]
    assert pongs[-1] == b"2999"
    assert len(pongs) <= 3


def test_one_that_pings_and_never_reads_is_cut_off(served: Served) -> None:
    with upgraded(served, "/pour") as client:
        wait_until(lambda: stands_still(served), "the application waits for the client")

        def is_cut_off() -> bool:
            try:
                client.sendall(frame(FIN | PING, b"p" * 125))
            except OSError:
                return True
            return False

        wait_until(is_cut_off, "it is cut off", seconds=10)


def test_a_message_in_thousands_of_pieces_comes_back_whole(served: Served) -> None:
    with upgraded(served) as client:
        pieces = [frame(CONTINUATION, b"%d," % number) for number in range(3_000)]
        client.sendall(frame(TEXT, b">") + b"".join(pieces) + frame(FIN, b"."))
        whole = b">" + b"".join(b"%d," % number for number in range(3_000)) + b"."
        assert received(client, whole) == [(TEXT, whole)]
