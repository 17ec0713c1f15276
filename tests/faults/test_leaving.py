"""Who leaves in mid-answer and wished to cancel it then, on both servers: a farewell is the end, a
loss is not where its user comes back."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from streams.attendance_redis import GRACE_MS
from tests.browser.storyteller import Storyteller
from tests.faults.checks import a_victim, replaced
from tests.faults.readers import FIRST, STORY, Reader
from tests.product import Product

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

BEFORE_THE_GRACE_IS_OVER_S = GRACE_MS / 1000 - 0.5


@pytest.fixture
def product(telling: Product) -> Product:
    return telling


@pytest.fixture
async def reader(product: Product, teller: Storyteller) -> AsyncIterator[Reader]:
    """Has the first words of an answer that it wishes to end with it; nobody has hung up yet."""
    teller.begin(STORY, 5)
    teller.hung_up = 0
    async with Reader(product.url) as reader:
        await reader.ask(on_disconnect="cancel")
        await reader.until(lambda: reader.text == FIRST, within_s=60)
        yield reader
        await reader.leave()


async def is_told_to_the_end(reader: Reader, teller: Storyteller) -> None:
    teller.tell()
    await reader.until(lambda: reader.end, within_s=60)
    assert (reader.end["finish_reason"], reader.text) == ("stop", STORY)
    assert teller.hung_up == 0


async def test_a_farewell_stops_the_model_at_once_whatever_else_its_user_has_open(
    reader: Reader, product: Product, teller: Storyteller
) -> None:
    async with reader.another() as other:
        await reader.leave()

        await other.until(lambda: teller.hung_up == 1, within_s=BEFORE_THE_GRACE_IS_OVER_S)


async def test_a_loss_without_a_word_stops_nothing_where_its_user_comes_back(
    reader: Reader, teller: Storyteller
) -> None:
    await reader.drop()
    await reader.until(lambda: reader.drops == 1)

    # Longer than the loss would have been waited for.
    await asyncio.sleep(GRACE_MS / 1000 + 3)
    await is_told_to_the_end(reader, teller)


async def test_a_loss_without_a_word_is_the_end_where_nobody_comes_back(
    reader: Reader, teller: Storyteller
) -> None:
    async with reader.another() as other:
        await reader.drop()
        await reader.leave()

        await other.until(lambda: teller.hung_up == 1)


async def test_a_drain_is_no_farewell(
    reader: Reader, product: Product, teller: Storyteller
) -> None:
    name = f"server_{product.environ['RTAI_SERVER']}"
    victim = a_victim(product, name)
    victim.terminate()
    await replaced(product, name, victim.pid, within_s=60)
    await reader.until(lambda: reader.drops >= 1, within_s=60)

    await is_told_to_the_end(reader, teller)
