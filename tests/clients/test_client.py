"""The Python client against servers that misbehave, on real sockets."""

import asyncio
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from rtai_client import ConnectionClosed, Refused, State, Token, TokenRefused
from tests.clients.talks import Tokens, client, hear, message, say, served, silence, subscribed


async def test_states_follow_one_another_over_a_drop() -> None:
    states: list[State] = []

    async def drop(socket: ServerConnection) -> None:
        socket.transport.abort()

    async with served(drop, silence) as url, client(url, on_state=states.append):
        while states.count(State.OPEN) < 2:
            await asyncio.sleep(0.01)

    assert states == [
        State.CONNECTING,
        State.OPEN,
        State.WAITING,
        State.CONNECTING,
        State.OPEN,
        State.CLOSED,
    ]


async def test_the_token_travels_in_a_header_and_never_in_the_address() -> None:
    seen: list[Request] = []

    async def note(socket: ServerConnection) -> None:
        assert socket.request is not None
        seen.append(socket.request)
        await socket.wait_closed()

    async with served(note) as url, client(url):
        pass

    assert seen[0].path == "/ws/v1/"
    assert seen[0].headers["Authorization"] == "Bearer t1"
    assert seen[0].headers["Sec-WebSocket-Protocol"] == "rtai.v1"


@pytest.mark.parametrize(
    "url",
    ["chat.example.org", "ftp://chat.example.org", "https://", "http://a/?b=1", "", "wss://a"],
)
def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match=r"expected an address such as https://chat\.example\.org"):
        client(url)


@pytest.mark.parametrize("scheme", ["http", "HTTP", " Http"])
async def test_an_address_may_be_written_in_capitals(scheme: str) -> None:
    async with served(silence) as url, client(url.replace("http", scheme, 1)) as guest:
        assert guest.state is State.OPEN


async def test_frames_come_once_and_in_order_over_drops_gaps_and_repeats() -> None:
    asked: list[dict[str, Any]] = []

    async def begin(socket: ServerConnection) -> None:
        asked.append(await hear(socket))
        await say(socket, subscribed(asked[-1]), message(1), message(2), message(2))
        await socket.close(4001, "{}")

    async def go_on(socket: ServerConnection) -> None:
        asked.append(await hear(socket))
        await say(socket, subscribed(asked[-1], 3), message(3), message(6))
        asked.append(await hear(socket))
        await say(socket, subscribed(asked[-1], 6), message(4), message(5), message(6))
        await socket.wait_closed()

    async with served(begin, go_on) as url, client(url) as found:
        frames, texts = found.frames(), []
        await found.subscribe("lobby", recent=10)
        async for frame in frames:
            if frame["type"] == "message":
                texts.append(frame["text"])
            if len(texts) == 6:
                break

    assert texts == ["1", "2", "3", "4", "5", "6"]
    assert asked[0]["recent"] == 10
    assert [each["since"]["offset"] for each in asked[1:]] == [2, 3]


async def test_frames_lost_for_good_are_told() -> None:
    kinds: list[str] = []

    async def begin(socket: ServerConnection) -> None:
        await say(socket, subscribed(await hear(socket), 4))
        socket.transport.abort()

    async def forgot(socket: ServerConnection) -> None:
        await say(socket, subscribed(await hear(socket), 1, recovered=False))
        again = await hear(socket)
        assert "since" not in again
        await say(socket, subscribed(again, 1), message(2))
        await socket.wait_closed()

    async with served(begin, forgot) as url, client(url) as found:
        frames = found.frames()
        await found.subscribe("lobby")
        async for frame in frames:
            kinds.append(frame["type"])
            if frame["type"] == "message":
                break

    assert kinds == ["subscribed", "reset", "subscribed", "message"]


async def test_a_stream_that_is_gone_is_not_asked_for_again() -> None:
    asked: list[str] = []

    async def end(socket: ServerConnection) -> None:
        await say(socket, subscribed(await hear(socket)))
        await say(socket, {"type": "unsubscribed", "stream": "lobby", "reason": "gone"})
        socket.transport.abort()

    async def listen(socket: ServerConnection) -> None:
        asked.append((await hear(socket))["type"])
        await socket.close(4503, "{}")

    async with served(end, listen) as url, client(url) as found:
        await found.subscribe("lobby")
        with pytest.raises(ConnectionClosed):
            await found.send("lobby", "Hi")

    assert asked == ["message"]


async def test_a_refused_subscription_is_told_and_not_tried_again() -> None:
    async def refuse(socket: ServerConnection) -> None:
        await hear(socket)
        await say(socket, {"type": "error", "code": "not_found", "detail": "", "retryable": False})
        await socket.wait_closed()

    async with served(refuse) as url, client(url) as found:
        with pytest.raises(Refused):
            await found.subscribe("nowhere")


async def test_a_subscription_refused_for_now_is_asked_for_again() -> None:
    async def later(socket: ServerConnection) -> None:
        await hear(socket)
        error = {"type": "error", "code": "overloaded", "detail": "", "retryable": True}
        await say(socket, {**error, "retry_after_ms": 10})
        await say(socket, subscribed(await hear(socket), 7))
        await socket.wait_closed()

    async with served(later) as url, client(url) as found:
        assert (await found.subscribe("lobby"))["offset"] == 7


async def test_pings_are_answered() -> None:
    pongs: list[Any] = []

    async def ping(socket: ServerConnection) -> None:
        await say(socket, {"type": "ping"})
        pongs.append(await hear(socket))
        await socket.close(4503, "{}")

    async with served(ping) as url, client(url) as found:
        async for _ in found.frames():
            pass

    assert pongs == [{"type": "pong"}]


async def test_a_ban_ends_everything_that_waits() -> None:
    async def ban(socket: ServerConnection) -> None:
        await hear(socket)
        await socket.close(4503, "{}")

    async with served(ban) as url, client(url) as found:
        with pytest.raises(ConnectionClosed) as caught:
            await found.send("lobby", "Hi")
        assert found.state is State.CLOSED
        with pytest.raises(ConnectionClosed):
            await found.subscribe("lobby")

    assert caught.value.code == 4503


@pytest.mark.parametrize("code", [4005, 4500])
async def test_a_refused_token_is_replaced_by_a_fresh_one(code: int) -> None:
    tokens = Tokens()

    async def refuse(socket: ServerConnection) -> None:
        await socket.close(code, '{"retry_after_ms":0}')

    async with served(refuse, silence) as url, client(url, tokens) as found:
        while len(tokens.asked) < 2 or found.state is not State.OPEN:
            await asyncio.sleep(0.01)

    assert tokens.asked == [False, True]


async def test_a_handshake_refused_twice_with_401_is_for_good() -> None:
    tokens = Tokens()

    def refuse(socket: ServerConnection, request: Request) -> Response:
        return socket.respond(HTTPStatus.UNAUTHORIZED, "no")

    async with served(silence, process_request=refuse) as url:
        with pytest.raises(ConnectionClosed) as caught:
            async with client(url, tokens):
                pass

    assert caught.value.code == 401
    assert tokens.asked == [False, True]


async def test_without_a_token_there_is_no_connection() -> None:
    tokens = Tokens(TokenRefused(401, "Unauthorized"))

    async with served(silence) as url:
        with pytest.raises(TokenRefused):
            async with client(url, tokens):
                pass


async def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(Token("secret", 1.0))
