"""Processes die, stop and hang under load: nothing accepted is lost, doubled or out of order."""

import asyncio
import sqlite3

import psycopg
import pytest

from tests.chatter import Chatter, chat_steadily
from tests.faults.checks import (
    a_victim,
    allowed,
    check,
    check_order,
    check_verdicts,
    kill,
    ready,
    replaced,
)
from tests.faults.sleepy import LULLABY
from tests.postgresql import Server
from tests.product import Product

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

PER_S = 50


async def test_a_killed_worker_and_a_killed_valkey_lose_nothing(product: Product) -> None:
    async with Chatter(product.url, name="Ada") as author, Chatter(product.url) as reader:
        chat = asyncio.create_task(chat_steadily(author, PER_S, for_s=20))
        await author.until(lambda: len(author.seen.verdicts) >= PER_S * 3)
        await kill(product, "celery")
        await author.until(lambda: len(author.seen.verdicts) >= PER_S * 9)
        await kill(product, "valkey-server")
        sent = await chat
        await author.until(lambda: len(author.seen.verdicts) >= sent, within_s=60)
        await author.until(lambda: len(reader.seen.shown) >= allowed(author.seen))

        check(author.seen, reader.seen, sent)


async def test_a_killed_gateway_loses_nothing(product: Product) -> None:
    async with Chatter(product.url, name="Ada") as author, Chatter(product.url) as reader:
        chat = asyncio.create_task(chat_steadily(author, PER_S, for_s=10))
        await author.until(lambda: len(author.seen.verdicts) >= PER_S * 2)
        await kill(product, "server_daphne")
        sent = await chat
        await author.until(lambda: len(author.seen.verdicts) >= sent, within_s=60)
        await author.until(lambda: len(reader.seen.shown) >= allowed(author.seen))

        check(author.seen, reader.seen, sent)


async def test_valkey_away_for_ten_seconds_is_told_and_loses_nothing(product: Product) -> None:
    async with Chatter(product.url, name="Ada") as author, Chatter(product.url) as reader:
        chat = asyncio.create_task(chat_steadily(author, 10, for_s=15))
        await author.until(lambda: len(author.seen.verdicts) >= 10)
        victim = a_victim(product, "valkey-server")
        victim.suspend()
        await author.until(lambda: author.seen.errors["overloaded"] >= 1, within_s=20)
        await asyncio.sleep(10)
        victim.resume()
        sent = await chat
        await author.until(lambda: len(author.seen.verdicts) >= sent, within_s=60)
        await author.until(lambda: len(reader.seen.shown) >= allowed(author.seen))

        check(author.seen, reader.seen, sent)
        assert await asyncio.to_thread(product.is_ready)


async def test_a_locked_database_delays_records_and_nothing_else(product: Product) -> None:
    database = sqlite3.connect(product.data_dir / "rtai.sqlite3", timeout=30)

    def rows() -> int:
        return int(database.execute("SELECT count(*) FROM policy_verdictrecord").fetchone()[0])

    async with Chatter(product.url, name="Ada") as author, Chatter(product.url) as reader:
        database.execute("BEGIN IMMEDIATE")
        sent = await chat_steadily(author, 20, for_s=8)
        await author.until(lambda: len(author.seen.verdicts) >= sent)
        await author.until(lambda: len(reader.seen.shown) >= allowed(author.seen))
        check(author.seen, reader.seen, sent)
        assert rows() < sent

        database.rollback()
        await author.until(lambda: rows() == sent, within_s=60)
    database.close()


async def test_a_database_that_is_gone_delays_records_and_nothing_else(
    product_on_postgresql: Product, database: Server
) -> None:
    url = product_on_postgresql.url

    def rows() -> int:
        with psycopg.connect(database.url) as connection:
            found = connection.execute("SELECT count(*) FROM policy_verdictrecord").fetchone()
        assert found is not None
        return int(found[0])

    async with Chatter(url, name="Ada") as author:
        before = await chat_steadily(author, 20, for_s=2)
        await asyncio.to_thread(database.stop)
        async with Chatter(url) as reader:
            sent = before + await chat_steadily(author, 20, for_s=5, first=before)
            await author.until(lambda: len(author.seen.verdicts) >= sent)
            await author.until(lambda: len(reader.seen.shown) >= allowed(author.seen) - before)
            check_verdicts(author.seen, sent)
            check_order(author.seen)
            check_order(reader.seen)

        await asyncio.to_thread(database.start)
        await author.until(lambda: rows() == sent, within_s=60)


async def test_a_stuck_worker_is_replaced_and_its_message_held(product: Product) -> None:
    async with Chatter(product.url, name="Ada") as author, Chatter(product.url) as reader:
        victim = a_victim(product, "celery")
        await author.say("lullaby", LULLABY)
        await author.until(lambda: author.seen.verdicts, within_s=20)
        assert list(author.seen.verdicts.values()) == [{"hold"}]

        await replaced(product, "celery", victim.pid, within_s=60)
        await ready(product)
        await author.say("awake", "Good morning, everybody!")
        await author.until(lambda: len(author.seen.verdicts) == 2, within_s=60)
        await author.until(lambda: len(reader.seen.shown) == 1)

        check_verdicts(author.seen, 2)
        check_order(author.seen)
        check_order(reader.seen)
        assert set(reader.seen.shown) == {author.seen.accepted["awake"]}
