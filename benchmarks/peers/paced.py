"""A model server that takes exactly its time: `python -m benchmarks.peers.paced PORT`.

It speaks OpenAI's chat completions. The first token comes after `FIRST_S`, the others every
`NEXT_S`, as from a model that never varies: what a client sees on top is the way's.
`GET /gone` tells when clients hung up in mid-answer, on the machine's monotonic clock.
"""

import asyncio
import json
import sys
import time

FIRST_S = 0.1
NEXT_S = 0.02
TOKENS = 40
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

gone: list[float] = []


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection; requests one after the other."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            if head.startswith(b"GET"):
                await _tell(writer)
                continue
            fields = [line.split(b":", 1) for line in head.lower().split(b"\r\n") if b":" in line]
            asked = json.loads(await reader.readexactly(int(dict(fields)[b"content-length"])))
            await _answer(reader, writer, min(TOKENS, asked.get("max_tokens") or TOKENS))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _tell(writer: asyncio.StreamWriter) -> None:
    body = json.dumps(gone).encode()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    await writer.drain()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tokens: int) -> None:
    """Writes an answer while watching whether somebody still reads it."""
    writer.write(HEAD)
    watching = asyncio.ensure_future(reader.read(1))
    for number in range(tokens):
        done, _ = await asyncio.wait([watching], timeout=NEXT_S if number else FIRST_S)
        if done:
            gone.append(time.monotonic())
            raise ConnectionError
        _event(writer, {"content": f"word{number} "}, None)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    _event(writer, {}, "stop")
    _chunk(writer, b"data: [DONE]\n\n")
    writer.write(b"0\r\n\r\n")
    await writer.drain()


def _event(writer: asyncio.StreamWriter, delta: dict[str, str], finish: str | None) -> None:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    _chunk(writer, b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")


def _chunk(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(b"%x\r\n%s\r\n" % (len(body), body))


async def main() -> None:
    """Serves until it is stopped."""
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
