"""OpenAI's own Python client against the whole product, on either server."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import openai
import pytest

from inference import connection_redis
from inference.workers_redis import GENERATORS, live_workers
from tests.browser.test_assistant import SETTINGS
from tests.generation import model_server
from tests.generation.model_server import DONE, Remote, Script, event
from tests.product import ROOT, Product, running, until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

KEY = "k" * 40
HI: Any = [{"role": "user", "content": "Good morning."}]
COUNTED = {"prompt_tokens": 9, "completion_tokens": 2}
SHORT = Script([event("Hello"), event(" there."), event(None, "stop", usage=COUNTED), DONE])
HELD = Script([event("Hello")], hang="after")


@dataclass
class Place:
    """A product whose assistant's model is on a server in the test's hands."""

    product: Product
    model: Remote

    def client(self, key: str = KEY, timeout: float = 60) -> openai.OpenAI:
        """The SDK as programs use it."""
        url = f"{self.product.url}/v1"
        return openai.OpenAI(api_key=key, base_url=url, timeout=timeout, max_retries=0)

    def sees_one_leave(self, before: model_server.Seen) -> None:
        """Waits until one client of the model's server has left since, and nobody is left."""

        def has_left() -> bool:
            now = self.model.seen()
            return (now.gone, now.writing) == (before.gone + 1, 0)

        until(has_left, within_s=10, what="the model's server sees its client leave")


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """One product for all tests of a server."""
    data_dir = tmp_path_factory.mktemp(request.param) / "var"
    environ = {"RTAI_SERVER": request.param, "RTAI_API_KEY": KEY, "RTAI_DEMO": "1"}
    with (
        model_server.running() as model,
        running(data_dir, RTAI_GENERATION_WORKERS="1", **environ) as product,
    ):
        command = [sys.executable, "manage.py", "shell", "-c", SETTINGS.format(url=model.url)]
        subprocess.run(command, cwd=ROOT, env=product.environ, check=True)
        valkey = connection_redis.client(connection_redis.embedded_url(data_dir))
        until(lambda: live_workers(valkey, GENERATORS), within_s=90)
        assert product.children(f"server_{request.param}")
        yield Place(product, model)


def test_an_answer_comes_in_one_piece_with_its_usage(place: Place) -> None:
    place.model.script(SHORT)
    with place.client() as client:
        found = client.chat.completions.create(model="chat-mini", messages=HI)

    assert found.choices[0].message.content == "Hello there."
    assert (found.choices[0].finish_reason, found.model) == ("stop", "chat-mini")
    assert found.usage is not None
    assert found.usage.model_dump(exclude_none=True) == {**COUNTED, "total_tokens": 11}


def test_an_answer_streams_with_its_usage_at_the_end(place: Place) -> None:
    place.model.script(SHORT)
    with (
        place.client() as client,
        client.chat.completions.create(
            model="chat-mini", messages=HI, stream=True, stream_options={"include_usage": True}
        ) as stream,
    ):
        *chunks, last = stream

    assert "".join(each.choices[0].delta.content or "" for each in chunks) == "Hello there."
    assert [each.choices[0].finish_reason for each in chunks if each.usage is None][-1] == "stop"
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.total_tokens == 11


def asked(place: Place, said: str, **request: Any) -> list[str]:
    """What the model's server got for a message, without the site's own prompt."""
    place.model.script(SHORT)
    messages: Any = [{"role": "user", "content": said}]
    with place.client() as client:
        client.chat.completions.create(**{"model": "chat-mini", "messages": messages, **request})
    got = place.model.seen().requests[-1]["body"]["messages"]
    return [each["content"] for each in got if each["role"] != "system"]


def test_a_conversation_that_a_program_names_is_kept_apart_from_all_others(place: Place) -> None:
    trip: Any = {"metadata": {"conversation": "trip"}}
    work: Any = {"metadata": {"conversation": "work"}}
    assert asked(place, "I am Ada.", **trip) == ["I am Ada."]

    before = ["I am Ada.", "Hello there."]
    assert asked(place, "Who?", **trip) == [*before, "Who?"]
    for other in ({}, work, {"user": "bob", **trip}, {"metadata": {"topic": "trip"}}):
        assert asked(place, "And here?", **other) == ["And here?"]
    assert asked(place, "Still?", **trip) == [*before, "Who?", "Hello there.", "Still?"]

    whole: Any = [*HI, {"role": "assistant", "content": "Hm."}, *HI]
    assert len(asked(place, "", **trip, messages=whole)) == 3
    assert asked(place, "Now?", **trip)[:3] == ["Good morning.", "Hm.", "Good morning."]


@pytest.mark.parametrize("conversation", ["", "c" * 65, 7, None])
def test_a_conversation_with_no_proper_name_is_refused(place: Place, conversation: Any) -> None:
    with place.client() as client, pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(
            model="chat-mini", messages=HI, metadata={"conversation": conversation}
        )

    assert (caught.value.param, caught.value.code) == ("metadata.conversation", "invalid_value")


@pytest.mark.parametrize(
    ("path", "size", "status", "code"),
    [
        ("/chat/completions", 1_000_000, 400, "context_length_exceeded"),
        ("/chat/completions", 3_000_000, 413, "context_length_exceeded"),
        ("/embeddings", 10, 404, "unknown_url"),
        ("/chat/completions/", 10, 404, "unknown_url"),
    ],
)
def test_every_refusal_below_v1_has_openais_shape(
    place: Place, path: str, size: int, status: int, code: str
) -> None:
    body = {"model": "chat-mini", "messages": [{"role": "user", "content": "a" * size}]}
    with place.client() as client, pytest.raises(openai.APIStatusError) as caught:
        client.post(path, cast_to=object, body=body)

    assert (caught.value.status_code, caught.value.code) == (status, code)


def test_the_sites_models_are_listed(place: Place) -> None:
    with place.client() as client:
        assert [model.id for model in client.models.list()] == ["chat-mini"]


@pytest.mark.parametrize(
    ("key", "asked", "error"),
    [
        ("w" * 40, {}, openai.AuthenticationError),
        (KEY, {"model": "secret"}, openai.NotFoundError),
        (KEY, {"temperature": -1}, openai.BadRequestError),
    ],
    ids=["a wrong key", "an unknown model", "a bad temperature"],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_refused_is_the_sdks_own_error_and_reaches_no_model(
    place: Place,
    key: str,
    asked: dict[str, Any],
    error: type[openai.APIStatusError],
    stream: bool,
) -> None:
    before = len(place.model.seen().requests)
    request: dict[str, Any] = {"model": "chat-mini", "messages": HI, "stream": stream, **asked}
    with place.client(key) as client, pytest.raises(error):
        client.chat.completions.create(**request)

    assert len(place.model.seen().requests) == before


def test_a_stream_that_is_closed_in_its_middle_leaves_the_models_server(place: Place) -> None:
    place.model.script(HELD)
    before = place.model.seen()
    with (
        place.client() as client,
        client.chat.completions.create(model="chat-mini", messages=HI, stream=True) as stream,
    ):
        said = (chunk.choices[0].delta.content for chunk in stream)
        assert next(filter(None, said)) == "Hello"
        assert place.model.seen().writing == 1
        stream.close()

        place.sees_one_leave(before)


def test_a_program_that_waits_no_longer_leaves_the_models_server(place: Place) -> None:
    place.model.script(HELD)
    before = place.model.seen()
    with place.client(timeout=5) as client, pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(model="chat-mini", messages=HI)

    assert len(place.model.seen().requests) == len(before.requests) + 1
    place.sees_one_leave(before)
