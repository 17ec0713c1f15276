"""What comes over a WebSocket, as far as no server is needed."""

from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from rtai_project.reading_daphne import INBOX_HIGH, MAX_PARTS, Inbox, join
from rtai_project.websockets_uvicorn import Protocol


class Connection:
    """Notes whether its client has to wait."""

    def __init__(self) -> None:
        self.paused = False

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


@pytest.mark.parametrize("kind", ["text", "bytes"])
async def test_reading_pauses_while_128_kib_wait_and_goes_on_below_64(kind: str) -> None:
    connection = Connection()
    inbox = Inbox(connection)
    content = "x" * 50_000 if kind == "text" else b"x" * 50_000
    paused = []
    for _ in range(3):
        inbox.put_nowait({kind: content})
        paused.append(connection.paused)
    for _ in range(3):
        await inbox.get()
        paused.append(connection.paused)

    assert paused == [False, False, True, True, False, False]


async def test_a_text_counts_for_what_it_takes_in_memory() -> None:
    connection = Connection()
    inbox = Inbox(connection)
    inbox.put_nowait({"text": "x" * 40_000 + "\N{GRINNING FACE}"})

    assert connection.paused


async def test_reading_pauses_while_many_small_messages_wait() -> None:
    connection = Connection()
    inbox = Inbox(connection)
    for _ in range(INBOX_HIGH):
        assert not connection.paused
        inbox.put_nowait({"text": "x"})

    assert connection.paused


async def test_an_inbox_that_was_let_go_pauses_nothing() -> None:
    connection = Connection()
    inbox = Inbox(connection)
    inbox.let_go()
    inbox.put_nowait({"text": "x" * 200_000})
    await inbox.get()

    assert not connection.paused


def test_daphne_keeps_a_message_in_many_parts_as_few() -> None:
    parts = list[bytes]()
    for number in range(1_000):
        parts.append(b"%d," % number)
        join(parts)
        assert len(parts) <= MAX_PARTS

    assert b"".join(parts) == b"".join(b"%d," % number for number in range(1_000))


def test_uvicorn_keeps_a_message_in_many_parts_as_one() -> None:
    protocol: Any = Protocol.__new__(Protocol)
    protocol.frames = [b">"]
    for number in range(1_000):
        protocol.handle_cont(Frame(Opcode.CONT, b"%d," % number, fin=False))

    assert protocol.frames == [b">" + b"".join(b"%d," % number for number in range(1_000))]
