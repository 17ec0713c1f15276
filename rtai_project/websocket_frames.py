"""WebSocket frames: how many of a client's are taken in a turn of the event loop, and those to it,
which are the same bytes for every client, made once."""

import functools
import struct

PIECE_BYTES = 1024
"""What a parser gets at once of what came; it holds up to 170 frames."""
FRAMES_A_TURN = 64
"""Once a turn has taken so many, the other connections have theirs."""
MAX_CACHED = 16 * 1024
PONG = 10


def encode(payload: bytes, opcode: int) -> bytes:
    """A whole frame."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x80 | opcode, size) + payload
    if size < 65536:
        return struct.pack("!BBH", 0x80 | opcode, 126, size) + payload
    return struct.pack("!BBQ", 0x80 | opcode, 127, size) + payload


def text(content: str) -> bytes:
    """A text frame."""
    return _shared(content) if len(content) <= MAX_CACHED else encode(content.encode(), 1)


@functools.lru_cache(maxsize=256)
def _shared(content: str) -> bytes:
    return encode(content.encode(), 1)
