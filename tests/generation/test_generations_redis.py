"""Admitting, reading, cancelling and sweeping generations, and what workers do to them."""

import json
from collections.abc import Callable

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from generation import keys, scripts_redis, work_scripts_redis
from generation.generations import FinishReason, Generation, Snapshot, Status, Usage
from generation.generations_redis import COUNTED, RedisGenerations
from generation.memory import Conversation
from generation.store import Requester
from generation.work_redis import RedisWork
from inference.errors import Overloaded, RateLimited
from inference.generator import Role, Turn
from policy.keys import stream_group
from policy.messages import Author
from streams.admission_redis import RedisAdmission
from streams.limits import DEFAULTS, SCOPES
from tests.generation.answers import a_generation, a_visitor
from tests.generation.conftest import Ear
from tests.streams.people import a_client, a_message

EVERYTHING = Requester("demo", "user-1", "session-1", "address-1", "key-1")
USED = Usage(prompt_tokens=10, completion_tokens=5)


async def admitted(generations: RedisGenerations, **changes: object) -> Generation:
    generation = a_generation(**changes)
    found = await generations.admit(generation, a_visitor())
    assert found.fresh
    return generation


async def claimed(generations: RedisGenerations, work: RedisWork, **changes: object) -> Generation:
    generation = await admitted(generations, **changes)
    assert work.claim(generation.id) == generation
    return generation


async def snapshot(generations: RedisGenerations, generation: Generation) -> Snapshot:
    found = await generations.read(generation.id)
    assert found is not None
    return found


def lose_its_lease(valkey: redis.Redis, generation: Generation) -> None:
    valkey.zadd(keys.LEASES, {generation.id: 1})


async def test_an_answer_goes_from_waiting_to_done_and_is_announced_step_by_step(
    generations: RedisGenerations, work: RedisWork, ear: Ear
) -> None:
    generation = await admitted(generations, ref="r1")
    ear.listen(keys.group(generation.id))
    assert (await snapshot(generations, generation)).status is Status.WAITING

    assert work.claim(generation.id) == generation
    assert work.start(generation)
    assert work.append(generation, 0, "Hello") == 5
    found = await snapshot(generations, generation)
    assert (found.status, found.text, found.finish) == (Status.RUNNING, "Hello", None)
    assert work.append(generation, 5, " there.") == 12
    assert work.finish(generation, FinishReason.STOP, USED)

    found = await snapshot(generations, generation)
    assert found == Snapshot(generation, Status.DONE, "Hello there.", FinishReason.STOP, USED)
    about = {"id": generation.id, "site": "demo", "stream": ""}
    assert ear.hear() == [
        {"type": "generation.start", **about, "owner": "user-1", "ref": "r1", "model": "chat-mini"},
        {"type": "generation.token", **about, "from": 0, "text": "Hello"},
        {"type": "generation.token", **about, "from": 5, "text": " there."},
        {
            "type": "generation.done",
            **about,
            "finish_reason": "stop",
            "length": 12,
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "code": "",
            "detail": "",
        },
    ]


async def test_positions_count_characters_not_bytes(
    generations: RedisGenerations, work: RedisWork
) -> None:
    generation = await claimed(generations, work)

    assert work.append(generation, 0, "👋🏽 Grüße, ") == 10
    assert work.append(generation, 10, "𝒜da 👩‍💻") == 17
    assert (await snapshot(generations, generation)).text == "👋🏽 Grüße, 𝒜da 👩‍💻"


async def test_an_append_that_is_repeated_changes_nothing(
    generations: RedisGenerations, work: RedisWork, ear: Ear
) -> None:
    generation = await claimed(generations, work)
    assert work.append(generation, 0, "Hello") == 5
    ear.listen(keys.group(generation.id))

    assert work.append(generation, 0, "Hello") == 5
    assert work.append(generation, 2, "llo") == 5

    assert (await snapshot(generations, generation)).text == "Hello"
    assert ear.hear() == []


async def test_text_that_redis_lost_is_told_to_the_worker(
    generations: RedisGenerations, work: RedisWork
) -> None:
    generation = await claimed(generations, work)

    assert work.append(generation, 7, "world") == 0
    assert work.append(generation, 0, "Hello, world") == 12


async def test_a_claim_that_redis_lost_is_taken_again_by_its_worker(
    generations: RedisGenerations, work: RedisWork, valkey: redis.Redis, ear: Ear
) -> None:
    generation = await admitted(generations)
    before = valkey.dump(keys.generation(generation.id))
    assert before is not None
    assert work.claim(generation.id) is not None
    assert work.start(generation)
    assert work.append(generation, 0, "Hello") == 5
    valkey.delete(keys.generation(generation.id), keys.text(generation.id), keys.LEASES)
    valkey.restore(keys.generation(generation.id), 0, before)
    valkey.zadd(keys.WAITING, {generation.id: generation.deadline_ms})
    ear.listen(keys.group(generation.id))

    assert work.renew([generation.id]) == {}
    assert not RedisWork(valkey).take("w", 1)
    assert work.append(generation, 5, " you") == 0
    assert work.append(generation, 0, "Hello you") == 9
    assert [each["type"] for each in ear.hear()] == ["generation.start", "generation.token"]


async def test_a_generation_in_a_stream_is_announced_there_and_listed_while_it_runs(
    generations: RedisGenerations, work: RedisWork, ear: Ear
) -> None:
    ear.listen(stream_group("demo", "lobby"))
    generation = await claimed(generations, work, stream="lobby")
    assert await generations.running("demo", "lobby") == []

    work.append(generation, 0, "Hello")
    (running,) = await generations.running("demo", "lobby")
    assert (running.generation, running.text) == (generation, "Hello")

    work.finish(generation, FinishReason.STOP, USED)
    assert await generations.running("demo", "lobby") == []
    heard = ear.hear()
    assert {each["stream"] for each in heard} == {"lobby"}
    assert [each["type"] for each in heard][-1] == "generation.done"


async def test_the_same_ref_is_the_same_generation(
    generations: RedisGenerations, work: RedisWork
) -> None:
    first = await admitted(generations, ref="r1")
    again = await generations.admit(a_generation(ref="r1"), a_visitor())
    assert (again.id, again.fresh) == (first.id, False)

    work.claim(first.id)
    work.finish(first, FinishReason.STOP, USED)
    again = await generations.admit(a_generation(ref="r1"), a_visitor())
    assert (again.id, again.fresh) == (first.id, False)
    other = a_generation(ref="r1", owner=Author("service:k", "Shop"))
    assert (await generations.admit(other, a_visitor(user=""))).fresh


async def test_a_ref_names_its_own_users_generation_for_five_minutes(
    generations: RedisGenerations, valkey: redis.Redis
) -> None:
    generation = await admitted(generations, ref="r1")

    assert await generations.named("demo", "user-1", "r1") == generation.id
    for other in (("demo", "user-1", "r2"), ("demo", "user-2", "r1"), ("shop", "user-1", "r1")):
        assert await generations.named(*other) is None
    assert 0 < valkey.ttl(keys.ref("demo", "user-1", "r1")) <= 300


async def test_an_interrupted_generation_may_be_asked_again_with_its_ref(
    generations: RedisGenerations, work: RedisWork
) -> None:
    first = await claimed(generations, work, ref="r1")
    work.finish(first, FinishReason.INTERRUPTED, USED)

    again = await generations.admit(a_generation(ref="r1"), a_visitor())

    assert again.fresh
    assert again.id != first.id


async def test_admission_sent_twice_because_its_reply_was_lost_counts_once(
    generations: RedisGenerations, limit: Callable[[str, str], None]
) -> None:
    limit("user.generations", "1:60000:1")
    generation = await admitted(generations)

    assert (await generations.admit(generation, a_visitor())).fresh


@pytest.mark.parametrize("scope", ["site", "stream", "user", "session", "address", "api_key"])
@pytest.mark.parametrize("encoded", ["1", "1:60000:1"])
async def test_every_scope_takes_a_cap_or_a_rate(
    generations: RedisGenerations, limit: Callable[[str, str], None], scope: str, encoded: str
) -> None:
    limit(f"{scope}.generations", encoded)
    await generations.admit(a_generation(stream="lobby"), EVERYTHING)

    with pytest.raises(RateLimited, match=rf"{scope}\.generations") as refused:
        await generations.admit(a_generation(stream="lobby"), EVERYTHING)

    assert refused.value.retry_after_ms is not None


async def test_a_cap_is_free_again_when_a_generation_ends(
    generations: RedisGenerations, work: RedisWork, limit: Callable[[str, str], None]
) -> None:
    limit("user.generations", "1")
    first = await claimed(generations, work)
    with pytest.raises(RateLimited):
        await generations.admit(a_generation(), a_visitor())

    work.finish(first, FinishReason.STOP, USED)

    assert (await generations.admit(a_generation(), a_visitor())).fresh


async def test_what_a_cap_refuses_takes_nothing_from_a_rate(
    generations: RedisGenerations, valkey: redis.Redis, limit: Callable[[str, str], None]
) -> None:
    limit("user.generations", "1")
    limit("site.generations", "2:60000:2")
    await admitted(generations)
    for _ in range(3):
        with pytest.raises(RateLimited, match=r"user\.generations"):
            await generations.admit(a_generation(), a_visitor())
    valkey.hdel("rtai:limits", "user.generations")

    assert (await generations.admit(a_generation(), a_visitor())).fresh


@pytest.mark.parametrize("name", ["user.tokens", "site.tokens", "api_key.tokens"])
async def test_tokens_are_counted_at_the_end_and_refuse_what_comes_after(
    generations: RedisGenerations,
    work: RedisWork,
    limit: Callable[[str, str], None],
    name: str,
) -> None:
    limit(name, "10:60000:10")
    for _ in range(2):
        first = a_generation()
        await generations.admit(first, EVERYTHING)
        work.claim(first.id)
        work.finish(first, FinishReason.STOP, Usage(4, 6))

    with pytest.raises(RateLimited, match=name) as refused:
        await generations.admit(a_generation(), EVERYTHING)

    assert refused.value.retry_after_ms is not None
    assert 59_000 < refused.value.retry_after_ms <= 60_000


async def test_a_debt_of_tokens_is_paid_off_with_time(
    generations: RedisGenerations,
    work: RedisWork,
    valkey: redis.Redis,
    limit: Callable[[str, str], None],
) -> None:
    limit("user.tokens", "10:60000:10")
    first = await claimed(generations, work)
    work.finish(first, FinishReason.STOP, Usage(10, 10))
    with pytest.raises(RateLimited):
        await generations.admit(a_generation(), a_visitor())
    (key,) = valkey.keys("rtai:bucket:user.tokens:*")
    level, at = str(valkey.get(key)).split()
    assert 0 < valkey.pttl(key) <= 120_000

    valkey.set(key, f"{level} {int(at) - 60_001}")

    assert (await generations.admit(a_generation(), a_visitor())).fresh


@pytest.mark.parametrize("scope", SCOPES["work"])
async def test_a_prompt_takes_what_judging_it_costs_in_each_scope(
    generations: RedisGenerations, limit: Callable[[str, str], None], scope: str
) -> None:
    limit(f"{scope}.work", "6000:60000:12000")
    huge = (Turn(Role.USER, "x" * 47_000),)  # 11,753 tokens: seconds of a worker's time
    await generations.admit(a_generation(stream="lobby", turns=huge), EVERYTHING)

    with pytest.raises(RateLimited, match=rf"{scope}\.work") as refused:
        await generations.admit(a_generation(stream="lobby", turns=huge), EVERYTHING)

    assert refused.value.retry_after_ms is not None
    assert 114_000 < refused.value.retry_after_ms <= 115_060


async def test_only_what_is_judged_of_a_prompt_takes_work(
    generations: RedisGenerations, limit: Callable[[str, str], None]
) -> None:
    limit("user.work", "40:60000:40")
    remembered = [Turn(Role.USER, "y" * 5_000), Turn(Role.ASSISTANT, "z" * 5_000)]
    for _ in range(2):
        await admitted(generations, turns=(*remembered, Turn(Role.USER, "Hi")))
    await admitted(generations, turns=tuple(remembered), judged=0)

    with pytest.raises(RateLimited, match=r"user\.work"):
        await generations.admit(a_generation(), a_visitor())


async def test_a_prompt_and_a_message_take_from_the_same_work(
    generations: RedisGenerations, url: str, limit: Callable[[str, str], None]
) -> None:
    limit("user.work", "20:60000:20")
    client = a_client(user="user-1")
    await RedisAdmission(url).admit(a_message(client), client)

    with pytest.raises(RateLimited, match=r"user\.work"):
        await generations.admit(a_generation(), a_visitor())


async def test_what_work_refuses_takes_no_generation(
    generations: RedisGenerations, valkey: redis.Redis, limit: Callable[[str, str], None]
) -> None:
    limit("user.work", "16:60000:16")
    limit("user.generations", "2:60000:2")
    await admitted(generations)
    for _ in range(3):
        with pytest.raises(RateLimited, match=r"user\.work"):
            await generations.admit(a_generation(), a_visitor())
    valkey.hdel("rtai:limits", "user.work")

    await admitted(generations)


def test_generations_are_limited_by_the_scopes_that_limits_have() -> None:
    assert {resource: SCOPES[resource] for resource in COUNTED} == COUNTED


async def test_a_full_queue_is_overload(
    generations: RedisGenerations, limit: Callable[[str, str], None]
) -> None:
    limit("all.waiting_generations", "4")
    for _ in range(4):
        await admitted(generations)

    with pytest.raises(Overloaded) as refused:
        await generations.admit(a_generation(), a_visitor())

    assert refused.value.retry_after_ms == 1_000


async def test_a_queue_without_a_cap_takes_more_than_it_does_by_default(
    generations: RedisGenerations, valkey: redis.Redis
) -> None:
    usual = int(DEFAULTS["all.waiting_generations"])
    for _ in range(usual + 1):
        await admitted(generations)

    assert valkey.zcard(keys.WAITING) == usual + 1


async def test_a_site_that_waits_for_as_many_as_it_may_leaves_room_to_others(
    generations: RedisGenerations, work: RedisWork, limit: Callable[[str, str], None]
) -> None:
    limit("all.waiting_generations", "10")
    limit("site.waiting_generations", "2")
    first = await claimed(generations, work)
    second, _ = await admitted(generations), await admitted(generations)
    with pytest.raises(Overloaded, match="of this site") as refused:
        await generations.admit(a_generation(), a_visitor())
    assert refused.value.retry_after_ms == 1_000
    assert (await generations.admit(a_generation(site="shop"), a_visitor(site="shop"))).fresh

    assert work.claim(second.id) is not None
    work.finish(first, FinishReason.STOP, USED)

    await admitted(generations)
    with pytest.raises(Overloaded):
        await generations.admit(a_generation(), a_visitor())


@pytest.mark.parametrize("scope", SCOPES["open_generations"])
async def test_a_cap_on_what_is_open_holds_beside_a_rate(
    generations: RedisGenerations,
    work: RedisWork,
    limit: Callable[[str, str], None],
    scope: str,
) -> None:
    limit(f"{scope}.open_generations", "2")
    limit(f"{scope}.generations", "3:60000:3")
    for _ in range(2):
        await generations.admit(a_generation(stream="lobby"), EVERYTHING)
    (written,) = work.take("w", 1)
    with pytest.raises(RateLimited, match=rf"{scope}\.open_generations"):
        await generations.admit(a_generation(stream="lobby"), EVERYTHING)

    work.finish(written, FinishReason.STOP, USED)
    await generations.admit(a_generation(stream="lobby"), EVERYTHING)
    (written,) = work.take("w", 1)
    work.finish(written, FinishReason.STOP, USED)

    with pytest.raises(RateLimited, match=rf"{scope}\.generations"):
        await generations.admit(a_generation(stream="lobby"), EVERYTHING)


async def test_a_redis_that_is_away_is_overload() -> None:
    away = RedisGenerations("unix:///nonexistent/valkey.sock")
    nowhere = redis.Redis(unix_socket_path="/nonexistent/valkey.sock", retry=Retry(NoBackoff(), 0))
    with pytest.raises(Overloaded):
        await away.admit(a_generation(), a_visitor())
    with pytest.raises(Overloaded):
        await away.read("x")
    with pytest.raises(Overloaded):
        await away.named("demo", "user-1", "r1")
    with pytest.raises(Overloaded):
        RedisWork(nowhere).take("w", 1)


async def test_what_is_unknown_or_expired_is_none(
    generations: RedisGenerations, work: RedisWork, valkey: redis.Redis
) -> None:
    assert await generations.read("unknown") is None
    assert not await generations.cancel("unknown")
    generation = await claimed(generations, work)
    work.append(generation, 0, "Hello")
    assert valkey.ttl(keys.generation(generation.id)) == -1
    work.finish(generation, FinishReason.STOP, USED)

    for key in (keys.generation(generation.id), keys.text(generation.id)):
        assert 0 < valkey.pttl(key) <= scripts_redis.KEEP_MS
        valkey.delete(key)
    assert await generations.read(generation.id) is None


async def test_one_that_waits_is_cancelled_at_once(
    generations: RedisGenerations, work: RedisWork, ear: Ear
) -> None:
    generation = await admitted(generations)
    ear.listen(keys.group(generation.id))

    assert await generations.cancel(generation.id)
    assert not await generations.cancel(generation.id)

    assert (await snapshot(generations, generation)).finish is FinishReason.CANCELLED
    assert work.claim(generation.id) is None
    assert [each["type"] for each in ear.hear()] == ["generation.done"]


async def test_one_that_runs_is_told_to_stop_and_keeps_its_text(
    generations: RedisGenerations, work: RedisWork
) -> None:
    generation = await claimed(generations, work)
    work.append(generation, 0, "Hello")
    assert work.stopped([generation.id]) == {}

    assert await generations.cancel(generation.id)

    assert work.stopped([generation.id]) == {generation.id: True}
    assert work.renew([generation.id]) == {generation.id: True}
    assert work.append(generation, 5, " there") is None
    assert work.finish(generation, FinishReason.CANCELLED, USED)
    found = await snapshot(generations, generation)
    assert (found.text, found.finish) == ("Hello", FinishReason.CANCELLED)


async def test_a_blocked_generation_loses_its_text(
    generations: RedisGenerations, work: RedisWork, valkey: redis.Redis
) -> None:
    generation = await claimed(generations, work)
    work.append(generation, 0, "A secret.")

    work.finish(generation, FinishReason.BLOCKED, USED)

    found = await snapshot(generations, generation)
    assert (found.text, found.finish) == ("", FinishReason.BLOCKED)
    assert not valkey.exists(keys.text(generation.id))


async def test_two_workers_never_hold_the_same_generation(
    generations: RedisGenerations, work: RedisWork, valkey: redis.Redis
) -> None:
    generation = await claimed(generations, work)

    assert work.claim(generation.id) is None
    assert RedisWork(valkey).claim(generation.id) is None
    assert not RedisWork(valkey).take("w", 1)


async def test_the_one_that_waited_longest_is_next(
    generations: RedisGenerations, work: RedisWork
) -> None:
    late = await admitted(generations, deadline_ms=4_000_000_000_001)
    early = await admitted(generations, deadline_ms=4_000_000_000_000)

    assert [work.take("w", 1), work.take("w", 9), work.take("w", 9)] == [[early], [late], []]


async def test_a_worker_that_found_nothing_is_rung_for_once(
    generations: RedisGenerations, work: RedisWork, valkey: redis.Redis
) -> None:
    assert not (await generations.admit(a_generation(), a_visitor())).heard
    assert not valkey.exists(keys.BELL)
    assert len(work.take("w", 9)) == 1
    assert work.take("w", 9) == []

    for _ in range(2):
        assert (await generations.admit(a_generation(), a_visitor())).heard

    assert valkey.llen(keys.BELL) == 1
    work.wait()
    assert not valkey.exists(keys.BELL)
    assert len(work.take("w", 9)) == 2


async def test_a_worker_without_room_is_not_rung_for_and_needs_no_task(
    generations: RedisGenerations, work: RedisWork, valkey: redis.Redis
) -> None:
    work.take("w", 9)
    assert work.take("w", 0) == []

    generation = a_generation()
    assert (await generations.admit(generation, a_visitor())).heard
    assert not valkey.exists(keys.BELL)
    valkey.hset(keys.generation(generation.id), "due_ms", "1")
    assert await generations.sweep() == []

    work.leave("w")
    assert not (await generations.admit(a_generation(), a_visitor())).heard
    assert await generations.sweep() == [generation.id]


async def test_a_worker_of_which_nothing_is_heard_is_gone(
    generations: RedisGenerations, work: RedisWork, valkey: redis.Redis
) -> None:
    work.take("w", 9)
    for key in (keys.TAKERS, keys.IDLE):
        assert valkey.zadd(key, {"w": 1}, ch=True) == 1  # As time does.

    assert not (await generations.admit(a_generation(), a_visitor())).heard
    assert not valkey.exists(keys.BELL)


async def test_a_dead_workers_generation_is_interrupted_once(
    generations: RedisGenerations, work: RedisWork, valkey: redis.Redis, ear: Ear
) -> None:
    generation = await claimed(generations, work, stream="lobby")
    work.append(generation, 0, "Hello")
    assert await generations.sweep() == []
    assert (await snapshot(generations, generation)).status is Status.RUNNING
    ear.listen(stream_group("demo", "lobby"))

    lose_its_lease(valkey, generation)
    await generations.sweep()
    await generations.sweep()

    found = await snapshot(generations, generation)
    assert (found.finish, found.text) == (FinishReason.INTERRUPTED, "Hello")
    assert (found.code, found.detail) == ("model_unavailable", "Its worker died.")
    assert [each["type"] for each in ear.hear()] == ["generation.done"]
    assert await generations.running("demo", "lobby") == []


async def test_a_worker_taken_for_dead_changes_nothing_any_more(
    generations: RedisGenerations, work: RedisWork, valkey: redis.Redis
) -> None:
    generation = await claimed(generations, work)
    work.append(generation, 0, "Hello")
    lose_its_lease(valkey, generation)
    await generations.sweep()

    assert work.renew([generation.id]) == {generation.id: False}
    assert work.append(generation, 5, " there") is None
    assert not work.start(generation)
    assert not work.finish(generation, FinishReason.STOP, USED)
    found = await snapshot(generations, generation)
    assert (found.text, found.finish) == ("Hello", FinishReason.INTERRUPTED)


async def test_a_lease_lasts_as_long_as_it_is_renewed(
    generations: RedisGenerations, work: RedisWork, valkey: redis.Redis
) -> None:
    generation = await claimed(generations, work)
    lose_its_lease(valkey, generation)
    assert work.stopped([generation.id]) == {}
    assert valkey.zscore(keys.LEASES, generation.id) == 1

    assert work.renew([generation.id]) == {}
    await generations.sweep()

    assert (await snapshot(generations, generation)).finish is None


async def test_a_cancelled_one_whose_worker_dies_is_cancelled(
    generations: RedisGenerations, work: RedisWork, valkey: redis.Redis
) -> None:
    generation = await claimed(generations, work)
    await generations.cancel(generation.id)
    lose_its_lease(valkey, generation)

    await generations.sweep()

    assert (await snapshot(generations, generation)).finish is FinishReason.CANCELLED


async def test_one_that_waits_past_its_deadline_is_interrupted(
    generations: RedisGenerations, work: RedisWork
) -> None:
    generation = await admitted(generations, deadline_ms=1)

    await generations.sweep()

    found = await snapshot(generations, generation)
    assert (found.finish, found.code) == (FinishReason.INTERRUPTED, "deadline_exceeded")
    assert work.claim(generation.id) is None


def waited(valkey: redis.Redis, generation: Generation, ms: int) -> None:
    """As if it had been admitted so long ago."""
    since = int(str(valkey.hget(keys.generation(generation.id), "since_ms")))
    valkey.hset(keys.generation(generation.id), "since_ms", str(since - ms))


async def test_one_that_waits_while_nobody_works_ends_long_before_its_deadline(
    generations: RedisGenerations, work: RedisWork, valkey: redis.Redis, ear: Ear
) -> None:
    generation, fresh = await admitted(generations), await admitted(generations)
    ear.listen(keys.group(generation.id))

    waited(valkey, generation, scripts_redis.UNTAKEN_MS)
    waited(valkey, fresh, scripts_redis.UNTAKEN_MS - 10_000)
    for _ in range(2):
        await generations.sweep()

    found = await snapshot(generations, generation)
    assert (found.finish, found.code) == (FinishReason.INTERRUPTED, "model_unavailable")
    assert found.detail == "No worker takes anything."
    assert [each["type"] for each in ear.hear()] == ["generation.done"]
    assert work.claim(generation.id) is None
    assert (await snapshot(generations, fresh)).status is Status.WAITING
    assert work.claim(fresh.id) == fresh


async def test_one_that_waits_for_busy_workers_has_until_its_deadline(
    generations: RedisGenerations, work: RedisWork, valkey: redis.Redis
) -> None:
    busy, waiting = await claimed(generations, work), await admitted(generations)
    waited(valkey, waiting, scripts_redis.UNTAKEN_MS)
    assert 0 < valkey.pttl(keys.WORKED) <= scripts_redis.UNTAKEN_MS
    await generations.sweep()
    assert (await snapshot(generations, waiting)).status is Status.WAITING

    valkey.delete(keys.WORKED)  # As time does.
    work.renew([busy.id])
    await generations.sweep()
    assert (await snapshot(generations, waiting)).status is Status.WAITING

    valkey.delete(keys.WORKED)
    await generations.sweep()
    assert (await snapshot(generations, waiting)).finish is FinishReason.INTERRUPTED
    assert (await snapshot(generations, busy)).finish is None


async def test_one_that_nobody_takes_is_dispatched_again_now_and_then(
    generations: RedisGenerations, valkey: redis.Redis
) -> None:
    generation = await admitted(generations)
    assert await generations.sweep() == []

    valkey.hset(keys.generation(generation.id), "due_ms", "1")

    assert await generations.sweep() == [generation.id]
    assert await generations.sweep() == []


async def test_an_exchange_is_remembered_when_it_ends_well(
    generations: RedisGenerations, work: RedisWork, valkey: redis.Redis
) -> None:
    key = keys.conversation("demo", "user-1")
    for reason in (FinishReason.BLOCKED, FinishReason.INTERRUPTED, FinishReason.STOP):
        generation = await claimed(generations, work, conversation=Conversation("demo", "user-1"))
        work.append(generation, 0, 'I am "né/𝒜".')
        work.finish(generation, reason, USED)
    other = await claimed(generations, work)
    work.append(other, 0, "Not this.")
    work.finish(other, FinishReason.STOP, USED)

    assert [json.loads(each) for each in valkey.lrange(key, 0, -1)] == [
        {"role": "user", "content": "Who are you?"},
        {"role": "assistant", "content": 'I am "né/𝒜".'},
    ]
    assert 0 < valkey.ttl(key) <= work_scripts_redis.REMEMBER_S


async def test_a_whole_conversation_takes_the_place_of_the_one_that_was_kept(
    generations: RedisGenerations, work: RedisWork, valkey: redis.Redis
) -> None:
    trip = Conversation("demo", "ada", "k1", "trip")
    key = keys.conversation("demo", "ada", "k1", "trip")
    for turns in (("Old",), ("Hi", "Hello.", "And?"), ("New",)):
        said = tuple(Turn(Role.USER, each) for each in turns)
        prompt = (Turn(Role.SYSTEM, "Be kind."), *said)
        generation = await claimed(
            generations, work, conversation=trip, turns=prompt, judged=len(said)
        )
        work.append(generation, 0, "Yes.")
        work.finish(generation, FinishReason.STOP, USED)

    kept = [json.loads(each)["content"] for each in valkey.lrange(key, 0, -1)]
    assert kept == ["Hi", "Hello.", "And?", "Yes.", "New", "Yes."]
    assert valkey.keys("*conversation:*") == [key]
    assert 0 < valkey.ttl(key) <= work_scripts_redis.REMEMBER_S


async def test_a_conversation_is_bounded_in_turns_and_bytes(
    generations: RedisGenerations, work: RedisWork, valkey: redis.Redis
) -> None:
    key = keys.conversation("demo", "user-1")
    valkey.rpush(key, *["x" * 10] * 300)
    for length, kept in ((10, 100), (60_000, 100), (66_000, 1)):
        generation = await claimed(generations, work, conversation=Conversation("demo", "user-1"))
        work.append(generation, 0, "y" * length)
        work.finish(generation, FinishReason.STOP, USED)
        assert valkey.llen(key) == kept


async def test_nothing_stays_behind_when_all_have_ended(
    generations: RedisGenerations, work: RedisWork, valkey: redis.Redis
) -> None:
    generation = a_generation(stream="lobby", ref="r1")
    await generations.admit(generation, EVERYTHING)
    work.claim(generation.id)
    work.append(generation, 0, "Hello")
    work.finish(generation, FinishReason.STOP, USED)

    assert [key for key in valkey.keys("*") if valkey.ttl(key) == -1] == []
