"""OpenAI's own Python client against our answers: real HTTP, the worker in the test's hands."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import httpx
import openai
import pytest
import uvicorn

from api.completions_http import MAX_BODY, OpenAIPaths
from generation.generations import FinishReason
from inference.errors import Overloaded, RateLimited
from streams import lifespan
from streams.models import ApiKey
from tests.api.conftest import KEY
from tests.generation.answers import Book, a_model, an_assistant
from tests.product import free_port
from tests.streams.test_generating import Talk

HI: Any = [{"role": "user", "content": "Hi"}]
Write = Callable[[str], None]


class Office:
    """A gateway of the site `shop`, and one worker that answers as `write` says."""

    def __init__(self) -> None:
        self.talk = Talk()
        self.write: Write = lambda id: self.talk.worker.answer(id, "Hé", "llo.")
        self.url = ""

    async def work(self) -> None:
        """Answers what is dispatched."""
        dispatched = self.talk.assistance.dispatched
        while True:
            await asyncio.sleep(0.005)
            while dispatched:
                self.write(dispatched.pop(0))

    def client(self, key: str = KEY) -> openai.AsyncOpenAI:
        """The SDK as programs use it."""
        return openai.AsyncOpenAI(api_key=key, base_url=f"{self.url}/v1", max_retries=0)


@pytest.fixture
async def office(
    make_key: Callable[..., ApiKey], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Office]:
    await asyncio.to_thread(make_key, ["generate"])
    found, port = Office(), free_port()
    found.url = f"http://127.0.0.1:{port}"
    gateway = SimpleNamespace(
        generating=found.talk.assistance.generating,
        generations=found.talk.generations,
        draining=False,
    )

    async def of_process() -> Any:
        return gateway

    monkeypatch.setattr(lifespan, "gateway", of_process)
    monkeypatch.setattr("api.completions_http.assistants", lambda: found.talk.assistance.book)
    config = uvicorn.Config(OpenAIPaths(_nothing), port=port, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    tasks = [asyncio.create_task(server.serve()), asyncio.create_task(found.work())]
    while not server.started:
        await asyncio.sleep(0.01)
    yield found
    server.should_exit = True
    await tasks[0]
    tasks[1].cancel()
    with suppress(asyncio.CancelledError):
        await tasks[1]


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def test_an_answer_comes_in_one_piece(office: Office) -> None:
    async with office.client() as client:
        found = await client.chat.completions.create(model="chat-mini", messages=HI, temperature=0)

    assert found.choices[0].message.content == "Héllo."
    assert found.choices[0].finish_reason == "stop"
    assert found.model == "chat-mini"
    assert found.usage is not None
    assert found.usage.total_tokens == 10


async def test_an_answer_streams_with_its_usage_at_the_end(office: Office) -> None:
    async with office.client() as client:
        stream = await client.chat.completions.create(
            model="chat-mini", messages=HI, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]

    texts = [each.choices[0].delta.content or "" for each in chunks if each.choices]
    assert "".join(texts) == "Héllo."
    assert [each.choices[0].finish_reason for each in chunks if each.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 3


async def test_what_was_asked_reaches_the_worker(office: Office) -> None:
    async with office.client() as client:
        await client.chat.completions.create(
            model="chat-mini",
            messages=[{"role": "developer", "content": "Rhyme."}, *HI],
            max_completion_tokens=9,
            seed=7,
            stop=["\n"],
            user="ada",
        )

    (stored,) = office.talk.generations.stored.values()
    turns = [turn.content for turn in stored.generation.turns]
    assert turns == ["Be kind.", "Rhyme.", "Hi"]
    assert stored.generation.sampling.max_tokens == 9
    assert (stored.generation.sampling.seed, stored.generation.sampling.stop) == (7, ("\n",))
    assert stored.generation.owner.id == "ada"


async def test_a_program_that_hangs_up_stops_the_model(office: Office) -> None:
    def begin(id: str) -> None:
        office.talk.worker.start(id)
        office.talk.worker.write(id, "Once upon")

    office.write = begin
    async with office.client() as client:
        stream = await client.chat.completions.create(model="chat-mini", messages=HI, stream=True)
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        await stream.close()
        async with asyncio.timeout(5):
            while not office.talk.generations.cancelled:
                await asyncio.sleep(0.01)

    assert office.talk.generations.cancelled == list(office.talk.generations.stored)


async def test_a_blocked_answer_is_a_content_filters_and_has_no_text(office: Office) -> None:
    def block(id: str) -> None:
        office.talk.worker.start(id)
        office.talk.worker.write(id, "You")
        office.talk.worker.finish(id, FinishReason.BLOCKED)

    office.write = block
    async with office.client() as client:
        found = await client.chat.completions.create(model="chat-mini", messages=HI)

    assert found.choices[0].finish_reason == "content_filter"
    assert found.choices[0].message.content == ""


async def test_a_prompt_blocked_before_the_model_began_is_told_alike(office: Office) -> None:
    office.write = lambda id: office.talk.worker.finish(id, FinishReason.BLOCKED)
    async with office.client() as client:
        found = await client.chat.completions.create(model="chat-mini", messages=HI)
        stream = await client.chat.completions.create(model="chat-mini", messages=HI, stream=True)
        reasons = [chunk.choices[0].finish_reason async for chunk in stream]

    assert found.choices[0].finish_reason == "content_filter"
    assert reasons[-1] == "content_filter"


async def refused(office: Office, *, stream: bool = False) -> openai.APIStatusError:
    """What the SDK makes of an answer that fails before anything of it was sent."""
    async with office.client() as client:
        with pytest.raises(openai.APIStatusError, match="It went away") as caught:
            await client.chat.completions.create(model="chat-mini", messages=HI, stream=stream)
    return caught.value


@pytest.mark.parametrize(
    ("code", "status", "named"),
    [
        ("too_large", 400, "context_length_exceeded"),
        ("overloaded", 503, "overloaded"),
        ("deadline_exceeded", 504, "timeout"),
        ("model_unavailable", 503, "model_unavailable"),
        ("internal", 503, "model_unavailable"),
    ],
)
async def test_an_answer_that_failed_says_why_by_its_status(
    office: Office, code: str, status: int, named: str
) -> None:
    def fail(id: str) -> None:
        office.talk.worker.finish(id, FinishReason.INTERRUPTED, code, "It went away.")

    def begin_and_fail(id: str) -> None:
        office.talk.worker.start(id)
        fail(id)

    office.write = fail
    found = [await refused(office), await refused(office, stream=True)]
    office.write = begin_and_fail
    found.append(await refused(office))

    assert [(each.status_code, each.code) for each in found] == [(status, named)] * 3


async def test_an_answer_that_is_refused_for_now_says_when_to_ask_again(office: Office) -> None:
    def refuse(id: str) -> None:
        full = ("overloaded", "It went away.", 1_500)
        office.talk.worker.finish(id, FinishReason.INTERRUPTED, *full)

    office.write = refuse
    found = (await refused(office)).response.headers

    assert (found["retry-after"], found["retry-after-ms"]) == ("2", "1500")


async def test_an_answer_that_failed_in_the_middle_ends_with_an_error(office: Office) -> None:
    def fail(id: str) -> None:
        office.talk.worker.start(id)
        office.talk.worker.write(id, "Once")
        office.talk.worker.finish(id, FinishReason.INTERRUPTED, "model_unavailable", "Gone.")

    office.write = fail
    async with office.client() as client:
        stream = await client.chat.completions.create(model="chat-mini", messages=HI, stream=True)
        with pytest.raises(openai.APIError, match="Gone"):
            async for _ in stream:
                pass


async def test_an_answer_whose_end_cannot_be_read_is_an_error(office: Office) -> None:
    def fail(id: str) -> None:
        office.talk.worker.finish(id, FinishReason.INTERRUPTED, "too_large", "Too long.")
        office.talk.generations.away = True

    office.write = fail
    async with office.client() as client:
        with pytest.raises(openai.InternalServerError) as caught:
            await client.chat.completions.create(model="chat-mini", messages=HI)

    assert (caught.value.status_code, caught.value.code) == (503, "overloaded")


@pytest.mark.parametrize(
    ("refusal", "status"),
    [(RateLimited("Slow.", retry_after_ms=1500), 429), (Overloaded("Full."), 503)],
)
async def test_limits_are_told_with_a_time_to_come_back(
    office: Office, refusal: Exception, status: int
) -> None:
    office.talk.generations.refusal = refusal
    async with office.client() as client:
        with pytest.raises(openai.APIStatusError) as caught:
            await client.chat.completions.create(model="chat-mini", messages=HI)

    assert caught.value.status_code == status
    assert caught.value.response.headers.get("retry-after-ms") == (
        "1500" if status == 429 else None
    )


async def test_a_foreign_model_is_not_found_and_a_malformed_request_is_refused(
    office: Office,
) -> None:
    async with office.client() as client:
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(model="secret", messages=HI)
        with pytest.raises(openai.BadRequestError):
            await client.chat.completions.create(model="chat-mini", messages=[])
        with pytest.raises(openai.BadRequestError):
            await client.chat.completions.create(model="chat-mini", messages=HI, temperature=-1)


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"model": "secret"}, "model", "model_not_found"),
        ({"temperature": 3}, "temperature", "invalid_value"),
        ({"messages": []}, "messages", "invalid_value"),
        ({"n": 2}, "n", "unsupported_parameter"),
        ({"metadata": {"conversation": ""}}, "metadata.conversation", "invalid_value"),
    ],
)
async def test_a_refusal_names_the_field_and_what_is_wrong_with_it(
    office: Office, changes: dict[str, Any], param: str, code: str
) -> None:
    async with office.client() as client:
        with pytest.raises(openai.APIStatusError) as caught:
            await client.chat.completions.create(
                **{"model": "chat-mini", "messages": HI, **changes}
            )

    assert (caught.value.param, caught.value.code) == (param, code)
    assert not office.talk.generations.stored


async def test_what_a_history_may_hold_is_answered(office: Office) -> None:
    said: Any = [
        *HI,
        {"role": "assistant", "content": ""},
        *HI,
        {"role": "assistant", "content": None},
        {"role": "system", "content": "Rhyme."},
    ]
    async with office.client() as client:
        found = await client.chat.completions.create(
            model="chat-mini", messages=said, top_p=0, user=""
        )

    assert found.choices[0].message.content == "Héllo."
    (stored,) = office.talk.generations.stored.values()
    assert [turn.content for turn in stored.generation.turns] == ["Be kind.", "Rhyme.", "Hi", "Hi"]
    assert stored.generation.sampling.temperature == 0
    assert stored.generation.owner.id.startswith("service:")


async def test_the_sites_models_are_listed_and_no_others(office: Office) -> None:
    models = [a_model(), a_model("big"), a_model("secret")]
    office.talk.assistance.book = Book(
        an_assistant(models=("chat-mini", "big", "off")), models=models
    )
    async with office.client() as client:
        names = [model.id async for model in client.models.list()]
        one = await client.models.retrieve("big")
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("secret")

    assert names == ["chat-mini", "big"]
    assert one.object == "model"


async def test_without_a_valid_key_nothing_is_answered(office: Office) -> None:
    async with office.client("rtai_" + "x" * 40) as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            await client.models.list()
    assert caught.value.code == "invalid_api_key"
    async with httpx.AsyncClient(base_url=office.url) as plain:
        for header in ({}, {"Authorization": "Basic abc"}, {"Authorization": "Bearer"}):
            assert (await plain.get("/v1/models", headers=header)).status_code == 401


async def test_a_key_without_the_scope_is_refused(
    office: Office, make_key: Callable[..., ApiKey]
) -> None:
    await asyncio.to_thread(make_key, ["messages"], "rtai_" + "y" * 40)
    async with office.client("rtai_" + "y" * 40) as client:
        with pytest.raises(openai.PermissionDeniedError):
            await client.chat.completions.create(model="chat-mini", messages=HI)


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"[]", 400), (b"{", 400), (b"\xff", 400), (b"[" * 100_000, 400)],
)
async def test_a_body_that_is_no_object_is_refused(
    office: Office, body: bytes, status: int
) -> None:
    async with httpx.AsyncClient(base_url=office.url) as plain:
        headers = {"Authorization": f"Bearer {KEY}"}
        found = await plain.post("/v1/chat/completions", content=body, headers=headers)

    assert found.status_code == status
    assert found.json()["error"]["type"] == "invalid_request_error"


async def test_a_prompt_of_a_megabyte_is_refused(office: Office) -> None:
    for size in (1_000_000, MAX_BODY):
        message: Any = {"role": "user", "content": "a" * size}
        async with office.client() as client:
            with pytest.raises(openai.BadRequestError) as caught:
                await client.chat.completions.create(model="chat-mini", messages=[message])

        assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "messages")
    assert not office.talk.generations.stored


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("PUT", "/v1/chat/completions", "POST"),
        ("OPTIONS", "/v1/chat/completions", "POST"),
        ("POST", "/v1/models", "GET"),
        ("DELETE", "/v1/models/chat-mini", "GET"),
        ("PATCH", "/v1/models", "GET"),
    ],
)
async def test_paths_take_their_own_method_only(
    office: Office, method: str, path: str, allowed: str
) -> None:
    async with httpx.AsyncClient(base_url=office.url) as plain:
        response = await plain.request(method, path)

    assert response.status_code == 405
    assert response.headers["allow"] == allowed
    assert response.headers["content-type"] == "application/json"
    assert response.json()["error"] == {
        "message": f"Only {allowed} requests are accepted here.",
        "type": "invalid_request_error",
        "param": None,
        "code": "method_not_supported",
    }


async def test_a_wrong_method_is_told_as_the_sdk_knows_it(office: Office) -> None:
    async with office.client() as client:
        with pytest.raises(openai.APIStatusError) as caught:
            await client.get("/chat/completions", cast_to=httpx.Response)

    assert (caught.value.status_code, caught.value.code) == (405, "method_not_supported")


@pytest.mark.parametrize(
    "path",
    ["/v1", "/v1/", "/v1/embeddings", "/v1/chat/completions/", "/v1/models/", "/v1/chat"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_unknown_paths_are_refused_in_openais_shape(
    office: Office, method: str, path: str
) -> None:
    async with httpx.AsyncClient(base_url=office.url) as plain:
        response = await plain.request(method, path)

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/json"
    assert response.json()["error"] == {
        "message": f"There is no path {path} here.",
        "type": "invalid_request_error",
        "param": None,
        "code": "unknown_url",
    }


@pytest.mark.parametrize("path", ["/elsewhere", "/v1alpha1/comments:analyze", "/v1x"])
async def test_other_paths_are_somebody_elses(office: Office, path: str) -> None:
    async with httpx.AsyncClient(base_url=office.url) as plain:
        response = await plain.get(path)

    assert (response.status_code, response.content) == (404, b"")
