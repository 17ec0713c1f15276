"""A client of Socket.IO on top of the load generator's own WebSocket, so that the measurement is
the same: Engine.IO's and Socket.IO's framing, WebSocket only."""

from benchmarks.connections import OFFSET, Connection, Heard, connect

PING, JOINED, EVENT = b"2", b"40", b"42"
HELLO, ANSWER = "40", "3"


class SocketIoConnection(Connection):
    """One connection; it is in the room when `joined` came."""

    __slots__ = ()

    def request(self, port: int, token: str) -> str:
        """See `Connection.request`; nobody asks for a token here."""
        return "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"

    def _hear(self, line: bytes, now: float) -> None:
        if line.startswith(EVENT):
            found = OFFSET.search(line)
            offset = int(found[1]) if found else -1
            self.problems += self.last >= 0 and offset != self.last + 1
            self.last = offset
            self.frames += 1
        elif line == PING:
            self.send(ANSWER)
        elif line.startswith(JOINED):
            self._settle(b"joined", line)
        if self.heard is not None:
            self.heard(self, line, now)


async def listen(port: int, heard: Heard | None, source: str) -> Connection:
    """A connection in the room."""
    found = await connect(port, "", heard, make=SocketIoConnection, source=source)
    joined = found.wait("joined")
    found.send(HELLO)
    await joined
    return found
