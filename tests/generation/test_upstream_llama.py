"""Asking a server that others wrote: llama.cpp's own, with small random weights."""

import threading
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
import redis

from generation import keys, upstream_requests
from generation.assistants import Backend, ModelSettings
from generation.generations import FinishReason, Usage
from generation.generations_redis import RedisGenerations
from generation.upstream_httpx import Upstream
from inference.errors import ModelUnavailable, TooLarge
from inference.generator import Cancellation, Ended, Finish, Piece, Prompt
from tests.generation.answers import a_generation, a_visitor
from tests.generation.llama_server import CONTEXT, KEY, PARALLEL, Llama, running
from tests.generation.scripted import Worker
from tests.inference.small_decoders import prompt, text_of, written
from tests.product import until

MISSING = (
    "!!! NO LLAMA.CPP: NO SERVER THAT OTHERS WROTE IS ASKED, FOR XLLAMACPP OR GGUF IS MISSING. "
    "INSTALL WHAT requirements-dev.txt PINS !!!"
)
if not (find_spec("xllamacpp") and find_spec("gguf")):
    pytest.skip(MISSING, allow_module_level=True)

pytestmark = pytest.mark.timeout(60)

ENDLESS = 1_000_000
GREEDY: dict[str, Any] = {"temperature": 0.0, "seed": None}


@pytest.fixture(scope="module")
def llama() -> Iterator[Llama]:
    """One server for all tests that leave it alive."""
    with running() as found:
        yield found


@pytest.fixture
def mortal() -> Iterator[Llama]:
    """A server that a test may kill."""
    with running() as found:
        yield found


def settings(llama: Llama, **changes: Any) -> ModelSettings:
    found: dict[str, Any] = {
        "name": "babble",
        "backend": Backend.OPENAI,
        "base_url": llama.url,
        "upstream_model": "babble",
        "api_key": KEY,
        "context_tokens": 4096,
    }
    return ModelSettings(**(found | changes))


def upstream(llama: Llama, **changes: Any) -> Upstream:
    return Upstream(settings(llama, **changes), pause=lambda cancelled, seconds: None)


def whole(llama: Llama, asked: Prompt) -> tuple[str, str, Usage]:
    """The server's own answer in one piece: text, reason and tokens."""
    found = llama.whole(upstream_requests.body(settings(llama), asked, limit="max_tokens"))
    (choice,), usage = found["choices"], found["usage"]
    counted = Usage(usage["prompt_tokens"], usage["completion_tokens"])
    return choice["message"]["content"], choice["finish_reason"], counted


@pytest.mark.parametrize("sampling", [GREEDY, {"temperature": 1.0, "seed": 7}])
@pytest.mark.parametrize("text", ["hello there", "Grüße 👋🏽, 你好"])
def test_the_pieces_are_what_the_server_answers_in_one(
    llama: Llama, text: str, sampling: dict[str, Any]
) -> None:
    asked = prompt(text, max_tokens=40, **sampling)

    pieces = list(upstream(llama).generate(asked, Cancellation()))

    *shown, ended = pieces
    assert isinstance(ended, Ended)
    counted = Usage(ended.prompt_tokens, ended.completion_tokens)
    assert (text_of(pieces), ended.finish.value, counted) == whole(llama, asked)
    assert len(shown) > 20


def test_another_seed_is_another_answer(llama: Llama) -> None:
    texts = {
        written(upstream(llama).generate(prompt(temperature=1.0, seed=seed), Cancellation()))[0]
        for seed in range(4)
    }

    assert len(texts) == 4


def test_pieces_come_while_the_server_still_writes(llama: Llama) -> None:
    cancellation = Cancellation()
    found = upstream(llama).generate(prompt(max_tokens=ENDLESS), cancellation)

    first, second = next(found), next(found)

    assert isinstance(first, Piece)
    assert isinstance(second, Piece)
    assert llama.writing() == 1
    cancellation.cancel()
    list(found)


def test_an_answer_at_its_longest_says_so(llama: Llama) -> None:
    _, ended = written(upstream(llama).generate(prompt(max_tokens=9), Cancellation()))

    assert (ended.finish, ended.completion_tokens) == (Finish.LENGTH, 9)


def test_an_answer_ends_before_a_stop_sequence(llama: Llama) -> None:
    asked = prompt(max_tokens=40, **GREEDY)
    text, _, _ = whole(llama, asked)
    stop = text[20:23]

    found, ended = written(
        upstream(llama).generate(prompt(max_tokens=40, stop=(stop,), **GREEDY), Cancellation())
    )

    assert (found, ended.finish) == (text.partition(stop)[0], Finish.STOP)
    assert ended.completion_tokens < 40


def test_cancelling_stops_the_servers_model(llama: Llama) -> None:
    cancellation = Cancellation()
    found = upstream(llama).generate(prompt(max_tokens=ENDLESS), cancellation)
    next(found)

    cancellation.cancel()

    assert not any(isinstance(each, Ended) for each in found)
    until(lambda: llama.writing() == 0)


def test_a_reader_that_leaves_stops_the_servers_model(llama: Llama) -> None:
    found = upstream(llama).generate(prompt(max_tokens=ENDLESS), Cancellation())
    next(found)

    found.close()  # type: ignore[attr-defined]

    until(lambda: llama.writing() == 0)


def test_one_that_waits_for_a_place_is_answered_when_another_is_cancelled(llama: Llama) -> None:
    shared, cancellations = upstream(llama), [Cancellation() for _ in range(PARALLEL)]
    full = [shared.generate(prompt(max_tokens=ENDLESS), each) for each in cancellations]
    for each in full:
        next(each)
    found: list[Piece | Ended] = []
    late = threading.Thread(
        target=lambda: found.extend(shared.generate(prompt(max_tokens=5), Cancellation()))
    )
    late.start()
    until(lambda: llama.waiting() == 1)
    assert llama.writing() == PARALLEL

    cancellations[0].cancel()
    late.join(30)

    assert isinstance(found[-1], Ended)
    cancellations[1].cancel()
    until(lambda: llama.writing() == 0)


def test_a_prompt_over_the_servers_context_is_too_large(llama: Llama) -> None:
    with pytest.raises(TooLarge, match="too long for the model") as caught:
        written(upstream(llama).generate(prompt("x" * (2 * CONTEXT)), Cancellation()))

    assert caught.value.code == "too_large"


def test_a_wrong_key_is_refused_and_told_to_nobody(llama: Llama) -> None:
    wrong = "sk-another-key"

    with pytest.raises(ModelUnavailable, match="does not accept the key") as caught:
        written(upstream(llama, api_key=wrong).generate(prompt(), Cancellation()))

    assert wrong not in caught.value.detail


def test_a_server_killed_in_mid_answer_is_an_error_behind_its_pieces(mortal: Llama) -> None:
    asked, pieces = upstream(mortal), []
    found = asked.generate(prompt(max_tokens=ENDLESS), Cancellation())
    pieces.append(next(found))

    mortal.kill()

    with pytest.raises(ModelUnavailable, match="broke off") as caught:
        pieces.extend(found)
    assert caught.value.code == "model_unavailable"
    assert text_of(pieces)
    with pytest.raises(ModelUnavailable, match="cannot be reached"):
        written(asked.generate(prompt(), Cancellation()))


async def test_a_worker_writes_what_the_server_says(
    llama: Llama, valkey: redis.Redis, generations: RedisGenerations
) -> None:
    worker, generation = Worker(valkey, generator=upstream(llama)), a_generation()
    await generations.admit(generation, a_visitor())

    worker.run(generation.id)

    found = await generations.read(generation.id)
    assert found is not None
    assert found.finish is FinishReason.LENGTH
    assert found.usage.completion_tokens == generation.sampling.max_tokens
    assert len(found.text) > found.usage.completion_tokens


async def test_an_answer_whose_server_is_killed_keeps_its_text_and_is_interrupted(
    mortal: Llama, valkey: redis.Redis, generations: RedisGenerations
) -> None:
    worker = Worker(valkey, generator=upstream(mortal))
    generation = a_generation(sampling=prompt(max_tokens=ENDLESS).sampling)
    await generations.admit(generation, a_visitor())
    thread = worker.begin(generation.id)
    until(lambda: valkey.exists(keys.text(generation.id)))

    mortal.kill()
    thread.join(30)

    found = await generations.read(generation.id)
    assert found is not None
    assert (found.finish, found.code) == (FinishReason.INTERRUPTED, "model_unavailable")
    assert found.detail == "The model's server broke off."
    assert found.text


async def test_a_cancelled_answer_frees_its_server(
    llama: Llama, valkey: redis.Redis, generations: RedisGenerations
) -> None:
    worker = Worker(valkey, generator=upstream(llama))
    generation = a_generation(sampling=prompt(max_tokens=ENDLESS).sampling)
    await generations.admit(generation, a_visitor())
    thread = worker.begin(generation.id)
    until(lambda: valkey.exists(keys.text(generation.id)))

    assert await generations.cancel(generation.id)
    thread.join(30)

    found = await generations.read(generation.id)
    assert found is not None
    assert found.finish is FinishReason.CANCELLED
    until(lambda: llama.writing() == 0)
