"""A gateway or a worker dies in mid-answer: no character is lost, and nobody waits for ever."""

import asyncio
from contextlib import AsyncExitStack

import pytest
import redis

from generation import keys
from inference import connection_redis
from inference.workers_redis import GENERATORS, live_workers
from tests.browser.storyteller import Storyteller
from tests.faults.checks import a_victim, kill
from tests.faults.readers import FIRST, STORY, WORDS, Reader, StreamReader
from tests.product import Product

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


@pytest.fixture
def product(telling: Product) -> Product:
    return telling


def server(product: Product) -> str:
    """The word of the gateway's command line."""
    return f"server_{product.environ['RTAI_SERVER']}"


def valkey(product: Product) -> redis.Redis:
    return connection_redis.client(connection_redis.embedded_url(product.data_dir))


def waiting(product: Product) -> int:
    """How many generations no worker has taken."""
    return int(valkey(product).zcard(keys.WAITING))


def known(product: Product) -> bool:
    """Whether the worker that runs has told of itself: without one, questions are refused."""
    running = {each.pid for each in product.children("generation-1")}
    return any(
        each.description.pid in running for each in live_workers(valkey(product), GENERATORS)
    )


async def tell_steadily(teller: Storyteller) -> None:
    """A few words at a time, for as long as the story lasts."""
    for _ in range(len(WORDS) // 5 + 1):
        teller.tell(5)
        await asyncio.sleep(0.15)


async def test_a_gateway_killed_in_mid_answer_loses_no_character(
    product: Product, teller: Storyteller
) -> None:
    teller.begin(STORY, 5)
    async with Reader(product.url) as reader:
        await reader.ask()
        await reader.until(lambda: reader.text == FIRST, within_s=60)
        telling = asyncio.create_task(tell_steadily(teller))
        await reader.until(lambda: len(reader.text) > 100)
        await kill(product, server(product))
        await telling
        await reader.until(lambda: reader.end, within_s=60)

        assert reader.end["finish_reason"] == "stop"
        assert reader.text == STORY
        assert reader.drops >= 1


async def test_a_killed_gateways_answer_is_cancelled_for_who_wished_it_and_stays_away(
    product: Product, teller: Storyteller
) -> None:
    teller.begin(STORY, 5)
    async with Reader(product.url) as reader:
        teller.hung_up = 0
        await reader.ask(on_disconnect="cancel")
        await reader.until(lambda: reader.text == FIRST, within_s=60)
        a_victim(product, server(product)).kill()

    await reader.until(lambda: teller.hung_up == 1, within_s=60)


async def test_a_worker_killed_before_it_took_the_question_lets_nobody_wait(
    product: Product, teller: Storyteller
) -> None:
    teller.begin(STORY, 5)
    async with Reader(product.url) as reader:
        await reader.until(lambda: known(product), within_s=60)
        worker = a_victim(product, "generation-1")
        worker.suspend()
        await reader.ask()
        await reader.until(lambda: waiting(product) == 1)
        worker.kill()
        await reader.until(lambda: waiting(product) == 0, within_s=15)

        await reader.until(lambda: reader.text or reader.refusal, within_s=60)
        assert (reader.text or FIRST) == FIRST
        assert reader.refusal in ("", "model_unavailable")


async def test_a_worker_killed_in_mid_answer_is_told_within_fifteen_seconds(
    product: Product, teller: Storyteller
) -> None:
    teller.begin(STORY, 5)
    async with Reader(product.url) as reader:
        await reader.ask()
        await reader.until(lambda: reader.text == FIRST, within_s=60)
        a_victim(product, "generation-1").kill()
        await reader.until(lambda: reader.end, within_s=15)

        assert reader.end["finish_reason"] == "interrupted"
        assert reader.text == FIRST


async def both_in_the_stream(
    entered: AsyncExitStack, product: Product
) -> tuple[StreamReader, StreamReader]:
    """One who has asked in the stream and one who reads there, both at the first words."""
    asker, reader = StreamReader(product.url, "Ada"), StreamReader(product.url, "Bob")
    for each in (asker, reader):
        await entered.enter_async_context(each)
    await asker.ask(stream="lobby")
    for each in (asker, reader):
        await each.until(lambda each=each: each.text == FIRST, within_s=60)
    return asker, reader


async def test_a_gateway_killed_in_mid_answer_of_a_stream_loses_nobody_a_character(
    product: Product, teller: Storyteller
) -> None:
    teller.begin(STORY, 5)
    async with AsyncExitStack() as entered:
        readers = await both_in_the_stream(entered, product)
        telling = asyncio.create_task(tell_steadily(teller))
        await kill(product, server(product))
        await telling
        for each in readers:
            await each.until(lambda each=each: each.said, within_s=60)

        assert [each.said for each in readers] == [STORY, STORY]
        assert all(STORY.startswith(each.text) and each.drops >= 1 for each in readers)
        assert [each.seen.lost for each in readers] == [0, 0]
        assert [each.seen.shown[each.id] for each in readers] == [1, 1]


async def test_a_worker_killed_in_mid_answer_of_a_stream_is_told_to_all_who_read_it(
    product: Product, teller: Storyteller
) -> None:
    teller.begin(STORY, 5)
    async with AsyncExitStack() as entered:
        readers = await both_in_the_stream(entered, product)
        a_victim(product, "generation-1").kill()
        for each in readers:
            await each.until(lambda each=each: each.end, within_s=15)
        late = await entered.enter_async_context(StreamReader(product.url, "Eve"))

        assert [each.end["finish_reason"] for each in readers] == ["interrupted"] * 2
        assert [(each.text, each.said) for each in readers] == [(FIRST, "")] * 2
        assert late.id == ""
