"""OpenAI's paths while their server shuts down, and where an answer cannot be written on."""

import asyncio
import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from api import completion_requests, completions, completions_http
from api.callers_http import Caller
from api.completions_http import Asking, Call, OpenAIPaths
from streams import lifespan
from streams.outbox import MAX_BYTES
from tests.streams.fakes import turns
from tests.streams.test_generating import Talk

BODY = {"model": "chat-mini", "messages": [{"role": "user", "content": "Hi"}]}


class Program:
    """Asks once, does not hang up, and takes what comes unless `failure` or the `gate` forbids."""

    def __init__(self, talk: Talk, *, stream: bool = True) -> None:
        self.sent: list[Mapping[str, Any]] = []
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        gateway: Any = SimpleNamespace(
            generating=talk.assistance.generating, generations=talk.generations
        )
        self.asking = Asking(
            Call({}, asyncio.Event().wait, self._send),  # type: ignore[arg-type]
            Caller("key", "test", "demo", ("generate",)),
            completion_requests.wanted({**BODY, "stream": stream}, "r"),
            cast(lifespan.Gateway, gateway),
        )
        self.serving = asyncio.create_task(self.asking.serve())

    async def _send(self, message: Mapping[str, Any]) -> None:
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        self.sent.append(message)

    @property
    def body(self) -> str:
        """All that came."""
        return "".join(each["body"].decode() for each in self.sent if "body" in each)


async def begun(talk: Talk) -> str:
    """The id of the only generation, which has begun."""
    await turns()
    (id,) = talk.generations.stored
    talk.worker.start(id)
    await turns()
    return id


async def test_a_program_that_cannot_be_written_to_stops_the_model() -> None:
    talk = Talk()
    program = Program(talk)
    id = await begun(talk)
    program.failure = ConnectionResetError()
    talk.worker.write(id, "Once")

    async with asyncio.timeout(10):
        await program.serving
    assert talk.generations.cancelled == [id]


@pytest.mark.parametrize("fails", [False, True])
async def test_a_silent_answer_is_kept_awake_and_stopped_where_that_fails(
    monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    talk = Talk()
    program = Program(talk)
    monkeypatch.setattr(completions_http, "PING_S", 0.001)
    id = await begun(talk)
    program.failure = ConnectionResetError() if fails else None

    async with asyncio.timeout(10):
        while not program.serving.done() and ": waiting\n\n" not in program.body:
            await asyncio.sleep(0.001)
        if not fails:
            talk.worker.answer(id, "Hé")
        await program.serving
    assert talk.generations.cancelled == ([id] if fails else [])
    assert program.body.endswith("data: [DONE]\n\n") is not fails


async def test_an_answer_that_cannot_be_told_stops_its_model_and_ends_with_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any) -> bytes:
        raise ValueError("a bug")

    talk = Talk()
    program = Program(talk)
    id = await begun(talk)
    monkeypatch.setattr(completions.Completion, "piece", fail)
    talk.worker.write(id, "Once")

    async with asyncio.timeout(10):
        await program.serving
    assert talk.generations.cancelled == [id]
    assert "The answer was interrupted." in program.body
    assert [each["more_body"] for each in program.sent[1:]] == [True, False]


async def test_a_program_that_is_too_far_behind_stops_the_model_and_is_told_so() -> None:
    talk = Talk()
    program = Program(talk)
    id = await begun(talk)
    program.gate.clear()
    talk.worker.write(id, "Once")
    await turns()
    program.asking.outbox.put(json.dumps({"type": "pong", "text": "x" * MAX_BYTES}))
    await turns()
    assert talk.generations.cancelled == [id]

    program.gate.set()
    async with asyncio.timeout(10):
        await program.serving
    assert "Once" in program.body
    assert "The answer was interrupted." in program.body
    assert not program.sent[-1]["more_body"]


async def test_an_answer_in_one_piece_that_cannot_be_told_is_an_error() -> None:
    talk = Talk()
    program = Program(talk, stream=False)
    id = await begun(talk)
    program.asking.outbox.put("no frame")

    async with asyncio.timeout(10):
        await program.serving
    assert talk.generations.cancelled == [id]
    start, body = program.sent
    assert start["status"] == 503
    assert json.loads(body["body"])["error"]["message"] == "The answer was interrupted."


async def test_a_server_that_drains_begins_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def gateway() -> Any:
        return SimpleNamespace(draining=True)

    async def caller(_: completions_http.Call) -> Any:
        return SimpleNamespace(site="demo")

    monkeypatch.setattr(lifespan, "gateway", gateway)
    monkeypatch.setattr(completions_http.Call, "caller", caller)
    sent: list[Mapping[str, Any]] = []

    async def receive() -> Mapping[str, Any]:
        return {"type": "http.request", "body": json.dumps(BODY).encode(), "more_body": False}

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    async def otherwise(*_: Any) -> None:
        raise AssertionError("It is a path of OpenAI's.")

    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": []}
    await OpenAIPaths(otherwise)(scope, receive, send)

    start, body = sent
    assert start["status"] == 503
    assert dict(start["headers"])[b"retry-after"] == b"1"
    assert json.loads(body["body"])["error"]["message"] == "Shutting down."
