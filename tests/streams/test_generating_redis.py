"""Answers that gateways and a worker share over a real Valkey."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
import redis
from channels_redis.pubsub import RedisPubSubChannelLayer

from generation.generations import FinishReason, Generation, Usage
from generation.generations_redis import RedisGenerations
from generation.memory_redis import RedisMemory
from generation.work_redis import RedisWork
from inference import connection_redis
from inference.errors import TooLarge
from policy.messages import Author
from streams.hub import Hub
from streams.hub_channels import ChannelBus
from streams.publisher_redis import RedisPublisher
from streams.said_redis import said_in
from tests.builders import a_message, a_verdict
from tests.generation.answers import Book
from tests.generation.scripted import Worker
from tests.streams.answering import Assistance
from tests.streams.fakes import turns
from tests.streams.test_generating import QUESTION, kinds, said
from tests.streams.test_sessions import Case, Visitor

_numbers = itertools.count()
ALPHABET = "abcdefghijklmnopqrstuvwxyz"


class Gateway(Case):
    """One of several, with a bus and generations in Valkey."""

    def __init__(self, url: str) -> None:
        super().__init__()
        layer = RedisPubSubChannelLayer(hosts=[connection_redis.channel_host(url)], prefix="rtai")
        home = f"gateway.{next(_numbers)}"
        self.live = ChannelBus(layer, home, self._hear)
        hub = Hub(self.live, self.history)
        client = connection_redis.client(url)
        memory = RedisMemory(client, lambda *asked: said_in(client, *asked))
        self.assistance = Assistance(
            hub, self.live, self.directory, self.clock, RedisGenerations(url, home=home), memory
        )
        self.assistance.book = Book()
        generating = self.assistance.generating
        self.ports = replace(self.ports, hub=hub, bus=self.live, generating=generating)

    def _hear(self, source: str, message: Mapping[str, Any]) -> None:
        if message["type"].startswith("generation."):
            self.assistance.following.receive(message)


@pytest.fixture
async def gateways(url: str, valkey: redis.Redis) -> AsyncIterator[list[Gateway]]:
    made = [Gateway(url), Gateway(url)]
    for each in made:
        await each.live.start()
    yield made
    for each in made:
        await each.assistance.following.stop()
        await each.live.stop()


@pytest.fixture
def worker(valkey: redis.Redis) -> RedisWork:
    return RedisWork(valkey)


async def until(
    visitor: Visitor,
    condition: Callable[[list[dict[str, Any]]], bool],
    before: Sequence[dict[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Everything a visitor hears until the condition holds for it, and for what it had before."""
    got = list(before)
    async with asyncio.timeout(20):
        while not condition(got):
            got += await visitor.read()
            await asyncio.sleep(0.005)
    return got


async def answered(
    gateway: Gateway, writer: Worker, user: str, question: str, **where: str
) -> None:
    """A question that was asked at a gateway and answered to its end."""
    visitor = gateway.visitor(user=user)
    turn = {"role": "user", "content": question}
    await visitor.ask(type="generate", ref=question, messages=[turn], **where)
    await asyncio.to_thread(writer.run, gateway.assistance.dispatched[-1])
    await until(visitor, is_over)


def say(valkey: redis.Redis, user: str, text: str) -> None:
    """What a person says in the lobby is published."""
    message = a_message(id=uuid4().hex, author=Author(user, user.title()), text=text)
    valkey.hset(f"rtai:message:{message.id}", "body", "{}")
    RedisPublisher(valkey, lambda *_: (100, 600)).publish([a_verdict(message=message)])


def begin(worker: RedisWork, gateway: Gateway) -> Generation:
    """What a worker does first with what was asked last."""
    found = worker.claim(gateway.assistance.dispatched[-1])
    assert found is not None
    assert worker.start(found)
    return found


def is_over(got: list[dict[str, Any]]) -> bool:
    return "done" in kinds(got)


async def test_an_answer_goes_on_at_another_gateway_without_losing_a_character(
    gateways: list[Gateway], worker: RedisWork
) -> None:
    one, other = gateways
    ann = one.visitor(user="ann")
    await ann.ask(type="generate", ref="r", messages=QUESTION)
    answer = begin(worker, one)
    for place, letter in enumerate(ALPHABET[:10]):
        worker.append(answer, place, letter)
    got = await until(ann, lambda got: len(said(got)) >= 5)
    await one.live.stop()  # The gateway is gone, and with it all that was on its way.
    worker.append(answer, 10, ALPHABET[10:15])

    back = other.visitor(user="ann")
    got += await back.ask(type="resume", id=answer.id, **{"from": len(said(got))})
    worker.append(answer, 15, ALPHABET[15:])
    worker.finish(answer, FinishReason.STOP, Usage(1, 26))
    got += await until(back, is_over)

    assert said(got) == ALPHABET
    assert got[-1]["usage"] == {"prompt_tokens": 1, "completion_tokens": 26}


async def test_all_gateways_of_a_stream_tell_the_same(
    gateways: list[Gateway], worker: RedisWork
) -> None:
    ann, bob = (gateway.visitor(user=name) for gateway, name in zip(gateways, "ab", strict=True))
    for each in (ann, bob):
        await each.ask(type="subscribe", stream="lobby")
    await ann.ask(type="generate", ref="r", messages=QUESTION, stream="lobby")
    answer = begin(worker, gateways[0])
    for place, letter in enumerate(ALPHABET):
        worker.append(answer, place, letter)
    got = await until(bob, lambda got: len(said(got)) >= 5)
    late = gateways[1].visitor(user="carl")
    first, *rest = await late.ask(type="subscribe", stream="lobby")
    worker.finish(answer, FinishReason.STOP, Usage())

    assert said(await until(ann, is_over)) == said(await until(bob, is_over, got)) == ALPHABET
    (running,) = first["running"]
    assert len(running["text"]) >= 5
    rest = await until(late, is_over, rest)
    assert rest[0].get("from", 26) == len(running["text"])
    assert running["text"] + "".join(each.get("text", "") for each in rest) == ALPHABET


async def test_any_gateway_cancels_what_another_one_asked(
    gateways: list[Gateway], worker: RedisWork
) -> None:
    one, other = gateways
    ann, again = one.visitor(user="ann"), other.visitor(user="ann")
    await ann.ask(type="generate", ref="r", messages=QUESTION)
    answer = begin(worker, one)
    await again.ask(type="cancel", id=answer.id)

    assert worker.append(answer, 0, "a") is None
    worker.finish(answer, FinishReason.CANCELLED, Usage())
    for each in (ann, again):
        assert (await until(each, is_over))[-1]["finish_reason"] == "cancelled"


@pytest.mark.parametrize("place", [0, 1], ids=["the same gateway", "another one"])
@pytest.mark.parametrize("taken", [False, True])
async def test_who_lost_its_connection_before_the_start_cancels_by_the_ref(
    gateways: list[Gateway], worker: RedisWork, place: int, taken: bool
) -> None:
    ann = gateways[0].visitor(user="ann")
    await ann.ask(type="generate", ref="r", messages=QUESTION)
    await ann.session.close()
    await turns()  # Nobody follows it now.
    (id,) = gateways[0].assistance.dispatched
    answer = worker.claim(id) if taken else None
    back = gateways[place].visitor(user="ann")

    got = await back.ask(type="cancel", ref="r")

    if answer is None:
        assert worker.claim(id) is None
    else:
        assert worker.stopped([id]) == {id: True}
        worker.finish(answer, FinishReason.CANCELLED, Usage())
    (done,) = await until(back, is_over, got)
    assert (done["id"], done["ref"], done["finish_reason"]) == (id, "r", "cancelled")


async def test_a_ref_names_nothing_of_another_user(
    gateways: list[Gateway], worker: RedisWork
) -> None:
    ann, bob = gateways[0].visitor(user="ann"), gateways[1].visitor(user="bob")
    await ann.ask(type="generate", ref="r", messages=QUESTION)

    assert await bob.error(type="cancel", ref="r") == "not_found"
    assert worker.claim(gateways[0].assistance.dispatched[-1]) is not None


async def test_what_was_cancelled_before_a_worker_took_it_ends_at_once(
    gateways: list[Gateway], worker: RedisWork
) -> None:
    ann = gateways[0].visitor(user="ann")
    await ann.ask(type="generate", ref="r", messages=QUESTION)
    got = await ann.ask(type="cancel", ref="r")

    (done,) = await until(ann, is_over, got)
    assert (done["ref"], done["finish_reason"]) == ("r", "cancelled")
    assert worker.claim(gateways[0].assistance.dispatched[-1]) is None


async def test_a_model_that_refuses_at_once_is_an_error_with_the_ref(
    gateways: list[Gateway], valkey: redis.Redis
) -> None:
    ann = gateways[0].visitor(user="ann")
    await ann.ask(type="subscribe", stream="lobby")
    await ann.ask(type="generate", ref="r", messages=QUESTION, stream="lobby")
    writer = Worker(valkey, TooLarge("The prompt has 9 tokens too many."))
    await asyncio.to_thread(writer.run, gateways[0].assistance.dispatched[-1])

    (error,) = await until(ann, bool)
    assert (error["type"], error["ref"], error["code"]) == ("error", "r", "too_large")


async def test_a_gateway_joins_what_was_asked_elsewhere_once_and_leaves_it_at_its_end(
    gateways: list[Gateway], worker: RedisWork, valkey: redis.Redis
) -> None:
    one, other = gateways
    await one.visitor(user="ann").ask(type="generate", ref="r", messages=QUESTION)
    answer = begin(worker, one)
    visitors = [other.visitor(user="ann") for _ in range(5)]
    for each in visitors:
        await each.ask(type="resume", id=answer.id, **{"from": 0})
    group = "rtai__group__generation.*"
    (channel,) = valkey.pubsub_channels(group)
    assert valkey.pubsub_numsub(channel) == [(channel, 1)]
    worker.append(answer, 0, "Hello")
    worker.finish(answer, FinishReason.STOP, Usage())

    for each in visitors:
        assert said(await until(each, is_over)) == "Hello"
    async with asyncio.timeout(10):
        while valkey.pubsub_channels(group):
            await asyncio.sleep(0.01)


async def test_a_gateway_joins_nothing_for_what_was_asked_at_itself(
    gateways: list[Gateway], worker: RedisWork, valkey: redis.Redis
) -> None:
    visitors = [gateways[0].visitor(user="ann") for _ in range(2)]
    await visitors[0].ask(type="generate", ref="r", messages=QUESTION)
    answer = begin(worker, gateways[0])
    await visitors[1].ask(type="resume", id=answer.id, **{"from": 0})
    assert valkey.pubsub_channels("rtai__group__generation.*") == []
    worker.append(answer, 0, "Hello")
    worker.finish(answer, FinishReason.STOP, Usage())

    for each in visitors:
        assert said(await until(each, is_over)) == "Hello"


async def test_a_private_conversation_goes_on_at_any_gateway(
    gateways: list[Gateway], valkey: redis.Redis
) -> None:
    writer = Worker(valkey, "I am Echo.")
    await answered(gateways[0], writer, "ann", "Who are you?")
    await answered(gateways[1], writer, "ann", "And who am I?")
    await answered(gateways[1], writer, "bob", "What did she say?")

    exchange = ["Who are you?", "I am Echo."]
    assert [[turn.content for turn in prompt.turns] for prompt in writer.generator.prompts] == [
        ["Be kind.", "Who are you?"],
        ["Be kind.", *exchange, "And who am I?"],
        ["Be kind.", "What did she say?"],
    ]


async def test_an_assistant_remembers_what_was_said_in_its_stream_once(
    gateways: list[Gateway], valkey: redis.Redis
) -> None:
    writer = Worker(valkey, "I am Echo.")
    say(valkey, "ann", "Who are you?")
    say(valkey, "bob", "Nice weather.")
    await answered(gateways[0], writer, "ann", "Who are you?", stream="lobby")
    say(valkey, "ann", "And who am I?")
    await answered(gateways[1], writer, "ann", "And who am I?", stream="lobby")

    said = ["Ann: Who are you?", "Bob: Nice weather.", "I am Echo."]
    assert [[turn.content for turn in prompt.turns] for prompt in writer.generator.prompts] == [
        ["Be kind.", "Nice weather.", "Who are you?"],
        ["Be kind.", *said, "And who am I?"],
    ]
