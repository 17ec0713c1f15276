"""WebSocket frames from server to client: the same bytes for every client, made once."""

import functools
import struct

MAX_CACHED = 16 * 1024


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
