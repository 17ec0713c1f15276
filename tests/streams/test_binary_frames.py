"""A frame that is not text says what is wrong with it."""

import pytest

from streams.frames import MAX_FRAME_BYTES
from tests.streams.raw_guests import FIN, Raw, encode
from tests.streams.sse_guests import Door

BINARY = 0x2


@pytest.mark.parametrize(
    ("size", "code"),
    [(1, "bad_frame"), (MAX_FRAME_BYTES, "bad_frame"), (MAX_FRAME_BYTES + 1, "too_large")],
)
def test_a_binary_frame_is_too_large_before_it_is_binary(sse: Door, size: int, code: str) -> None:
    client = Raw(sse).open()
    client.send(encode("x" * size, FIN | BINARY))

    assert client.hear("error")["code"] == code
