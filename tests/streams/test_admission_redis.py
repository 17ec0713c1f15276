"""What admission promises, on a real Valkey."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
import redis

from inference.errors import Overloaded, RateLimited
from inference.workers_redis import WORKERS
from policy import keys as policy_keys
from policy.line_redis import RedisLine
from policy.messages import Message
from policy.shifts import Done
from streams import keys
from streams.admission_redis import RedisAdmission
from streams.limits import SCOPES, check
from streams.limits_redis import write_limits
from tests.streams.people import a_client, a_message


@pytest.fixture
def admission(valkey: redis.Redis, url: str) -> RedisAdmission:
    return RedisAdmission(url)


def limit(valkey: redis.Redis, limits: Mapping[str, str]) -> None:
    write_limits(valkey, {name: check(name, rate) for name, rate in limits.items()})


async def test_an_admitted_message_is_stored_whole(
    admission: RedisAdmission, valkey: redis.Redis
) -> None:
    client = a_client()
    message = a_message(client, text="h\u00e9llo \U0001f600 \x00 \ud800")
    admitted = await admission.admit(message, client)
    stored = valkey.hgetall(policy_keys.message(message.id))
    assert (admitted.id, admitted.fresh, admitted.verdict) == (message.id, True, None)
    assert Message.from_json(json.loads(stored["body"])) == message
    assert stored["session"] == client.session
    assert valkey.zscore(policy_keys.DEADLINES, message.id) == message.deadline_ms
    assert valkey.zscore(policy_keys.PENDING, message.id) == message.deadline_ms
    assert valkey.lrange(policy_keys.WAITING, 0, -1) == [message.id]
    assert 290 < valkey.ttl(keys.ref("demo", "ann", message.ref)) <= 300


async def test_the_same_ref_answers_with_the_same_id_and_then_its_verdict(
    admission: RedisAdmission, valkey: redis.Redis
) -> None:
    limit(valkey, {"user.messages": "1/1h"})
    first = await admission.admit(a_message(ref="r"), a_client())
    again = await admission.admit(a_message(ref="r"), a_client())
    valkey.hset(policy_keys.message(first.id), "verdict", '{"action": "block"}')
    decided = await admission.admit(a_message(ref="r"), a_client())
    assert (again.id, again.fresh, again.verdict) == (first.id, False, None)
    assert (decided.id, decided.verdict) == (first.id, {"action": "block"})
    assert valkey.zcard(policy_keys.PENDING) == 1


async def test_refs_belong_to_their_user_and_site(admission: RedisAdmission) -> None:
    people = [a_client(), a_client(user="bob"), a_client(site="other"), a_client(user="ann:r")]
    ids = {(await admission.admit(a_message(who, ref="r"), who)).id for who in people}
    assert len(ids) == 4


async def test_messages_without_a_ref_are_all_different(admission: RedisAdmission) -> None:
    ids = {(await admission.admit(a_message(ref=""), a_client())).id for _ in range(2)}
    assert len(ids) == 2


async def test_a_script_sent_twice_by_the_library_stores_once(
    admission: RedisAdmission, valkey: redis.Redis
) -> None:
    limit(valkey, {"user.messages": "1/1h"})
    message = a_message(ref="")
    await admission.admit(message, a_client())
    again = await admission.admit(message, a_client())
    assert again.id == message.id
    assert valkey.zcard(policy_keys.PENDING) == 1


async def test_a_burst_passes_and_the_next_is_told_when_to_come_back(
    admission: RedisAdmission, valkey: redis.Redis
) -> None:
    limit(valkey, {"user.messages": "10/10s burst 3"})
    for _ in range(3):
        await admission.admit(a_message(), a_client())
    with pytest.raises(RateLimited, match=r"user\.messages") as refused:
        await admission.admit(a_message(), a_client())
    assert refused.value.retry_after_ms is not None
    assert 500 < refused.value.retry_after_ms <= 1_000
    assert valkey.zcard(policy_keys.PENDING) == 3


async def test_a_refused_message_takes_from_no_bucket(
    admission: RedisAdmission, valkey: redis.Redis
) -> None:
    limit(valkey, {"user.messages": "1/1h", "site.messages": "2/1h"})
    await admission.admit(a_message(), a_client())
    for _ in range(5):
        with pytest.raises(RateLimited, match=r"user\.messages"):
            await admission.admit(a_message(), a_client())
    bob = a_client(user="bob")
    await admission.admit(a_message(bob), bob)
    with pytest.raises(RateLimited, match=r"site\.messages"):
        await admission.admit(a_message(a_client(user="cat")), a_client(user="cat"))


@pytest.mark.parametrize(
    ("scope", "same", "other"),
    [
        ("site", {"user": "x", "address": "x"}, {"site": "other"}),
        ("stream", {"user": "x"}, {"site": "other"}),
        ("user", {"address": "x"}, {"user": "x"}),
        ("session", {"session": "s", "user": "x"}, {"session": "t"}),
        ("address", {"user": "x"}, {"address": "x"}),
        ("api_key", {"api_key": "k", "user": "x"}, {"api_key": "l"}),
    ],
)
async def test_each_scope_counts_its_own(
    admission: RedisAdmission,
    valkey: redis.Redis,
    scope: str,
    same: dict[str, str],
    other: dict[str, str],
) -> None:
    limit(valkey, {f"{scope}.messages": "1/1h"})
    base = {"session": "s", "api_key": "k"}
    for given, passes in ((base, True), (base | same, False), (base | other, True)):
        client = a_client(**given)
        if passes:
            await admission.admit(a_message(client), client)
        else:
            with pytest.raises(RateLimited):
                await admission.admit(a_message(client), client)


async def test_a_lowered_limit_bites_at_once(
    admission: RedisAdmission, valkey: redis.Redis
) -> None:
    limit(valkey, {"user.messages": "1000/1s"})
    for _ in range(5):
        await admission.admit(a_message(), a_client())
    limit(valkey, {"user.messages": "1/1h"})
    refusals = 0
    for _ in range(5):
        try:
            await admission.admit(a_message(), a_client())
        except RateLimited:
            refusals += 1
    assert refusals >= 4


async def test_a_raised_limit_frees_at_once(admission: RedisAdmission, valkey: redis.Redis) -> None:
    limit(valkey, {"user.messages": "1/1h"})
    await admission.admit(a_message(), a_client())
    limit(valkey, {"user.messages": "100000/1s"})
    with pytest.raises(RateLimited) as refused:
        await admission.admit(a_message(), a_client())
    assert refused.value.retry_after_ms == 1


async def test_without_limits_everything_passes(
    admission: RedisAdmission, valkey: redis.Redis
) -> None:
    limit(valkey, {})
    for _ in range(50):
        await admission.admit(a_message(), a_client())


async def test_a_long_text_takes_as_much_as_it_costs(
    admission: RedisAdmission, valkey: redis.Redis
) -> None:
    limit(valkey, {"user.work": "6000/1m burst 12000", "user.messages": "20/10s"})
    emoji = "\U0001f44b" * 10_000  # 10,003 tokens: seconds of a worker's time
    await admission.admit(a_message(text=emoji), a_client())
    with pytest.raises(RateLimited, match=r"user\.work") as refused:
        await admission.admit(a_message(text=emoji), a_client())

    assert refused.value.retry_after_ms is not None
    assert 79_000 < refused.value.retry_after_ms <= 80_060
    for _ in range(19):
        await admission.admit(a_message(), a_client())


async def test_many_short_texts_fill_the_same_bucket(
    admission: RedisAdmission, valkey: redis.Redis
) -> None:
    limit(valkey, {"user.work": "48/1h"})
    for _ in range(3):
        await admission.admit(a_message(), a_client())
    with pytest.raises(RateLimited, match=r"user\.work"):
        await admission.admit(a_message(), a_client())


async def test_a_text_over_the_burst_passes_only_when_the_bucket_is_full(
    admission: RedisAdmission, valkey: redis.Redis
) -> None:
    limit(valkey, {"user.work": "100/1h"})
    await admission.admit(a_message(text="word " * 2_000), a_client())
    bob = a_client(user="bob")
    await admission.admit(a_message(bob), bob)

    for client in (a_client(), bob):
        with pytest.raises(RateLimited):
            await admission.admit(a_message(client, text="word " * 2_000), client)


@pytest.mark.parametrize("scope", SCOPES["work"])
async def test_work_is_counted_in_each_of_its_scopes(
    admission: RedisAdmission, valkey: redis.Redis, scope: str
) -> None:
    limit(valkey, {f"{scope}.work": "16/1h"})
    client = a_client(api_key="k")
    await admission.admit(a_message(client), client)
    with pytest.raises(RateLimited, match=rf"{scope}\.work"):
        await admission.admit(a_message(client), client)


async def test_too_many_pending_messages_are_overload(valkey: redis.Redis, url: str) -> None:
    admission = RedisAdmission(url, max_pending=2)
    first = a_message(ref="first")
    await admission.admit(first, a_client())
    await admission.admit(a_message(), a_client())
    with pytest.raises(Overloaded):
        await admission.admit(a_message(), a_client())
    assert (await admission.admit(a_message(ref="first"), a_client())).id == first.id


def workers(valkey: redis.Redis, count: int, *, work: int = 1_000, busy_ms: int = 1_000) -> None:
    """Workers that live, and their speed."""
    far = 9_000_000_000_000
    valkey.zadd(WORKERS, {f"w{number}": far for number in range(count)})
    figures: list[str | int] = ["work", work, "busy_ms", busy_ms, "done_ms", far]
    valkey.hset(policy_keys.LOAD, items=figures)


def waiting(valkey: redis.Redis) -> int:
    """The work that waits."""
    return int(str(valkey.hget(policy_keys.LOAD, "pending") or 0))


async def test_a_message_that_would_be_late_is_refused_and_told_when_to_come_back(
    admission: RedisAdmission, valkey: redis.Redis
) -> None:
    workers(valkey, 1)
    long = "word " * 1_596  # 1,998 units, at one a millisecond
    for _ in range(5):
        await admission.admit(a_message(text=long), a_client())
    with pytest.raises(Overloaded, match="in time") as refused:
        await admission.admit(a_message(), a_client())

    assert refused.value.retry_after_ms == 5 * 1_998 - 8_000
    assert valkey.zcard(policy_keys.PENDING) == 5
    assert waiting(valkey) == 5 * 1_998


async def test_a_message_with_more_time_is_not_refused(
    admission: RedisAdmission, valkey: redis.Redis
) -> None:
    workers(valkey, 1)
    await admission.admit(a_message(text="word " * 2_000), a_client())
    patient, hurried = a_message(), a_message()
    hurried = replace(hurried, deadline_ms=hurried.accepted_ms + 1_000)

    await admission.admit(patient, a_client())
    with pytest.raises(Overloaded):
        await admission.admit(hurried, a_client())


async def test_more_workers_admit_more(admission: RedisAdmission, valkey: redis.Redis) -> None:
    workers(valkey, 2)
    for _ in range(5):
        await admission.admit(a_message(text="word " * 1_600), a_client())

    assert (await admission.admit(a_message(), a_client())).fresh


async def test_a_refused_message_takes_nothing_and_a_repeated_ref_is_answered(
    admission: RedisAdmission, valkey: redis.Redis
) -> None:
    limit(valkey, {"user.messages": "2/1h"})
    workers(valkey, 1)
    first = await admission.admit(a_message(ref="r", text="word " * 8_000), a_client())
    for _ in range(3):
        with pytest.raises(Overloaded) as refused:
            await admission.admit(a_message(), a_client())
    assert (await admission.admit(a_message(ref="r"), a_client())).id == first.id
    assert refused.value.retry_after_ms is not None
    assert refused.value.retry_after_ms <= 30_000

    valkey.delete(policy_keys.PENDING)
    assert (await admission.admit(a_message(), a_client())).fresh


async def test_few_messages_may_wait_while_nobody_knows_how_long(
    valkey: redis.Redis, url: str
) -> None:
    admission = RedisAdmission(url, few=3)
    for _ in range(3):
        await admission.admit(a_message(), a_client())
    with pytest.raises(Overloaded) as refused:
        await admission.admit(a_message(), a_client())
    assert refused.value.retry_after_ms == 1_000

    workers(valkey, 1)
    assert (await admission.admit(a_message(), a_client())).fresh


async def test_nonsense_in_the_figures_refuses_nobody(
    admission: RedisAdmission, valkey: redis.Redis
) -> None:
    valkey.hset(policy_keys.LOAD, mapping={"pending": "x", "work": "nan", "busy_ms": "-inf"})
    for _ in range(3):
        assert (await admission.admit(a_message(), a_client())).fresh


async def test_a_redis_that_is_away_is_overload() -> None:
    admission = RedisAdmission("unix:///nonexistent/valkey.sock")
    with pytest.raises(Overloaded):
        await admission.admit(a_message(), a_client())


async def test_a_live_session_counts_its_messages_and_a_gone_one_is_not_raised(
    admission: RedisAdmission, valkey: redis.Redis
) -> None:
    live, gone = a_client(), a_client()
    valkey.hset(keys.session(live.session), "id", live.session)
    for client in (live, live, gone):
        await admission.admit(a_message(client), client)
    assert valkey.hget(keys.session(live.session), "messages") == "2"
    assert not valkey.exists(keys.session(gone.session))


async def test_whoever_comes_first_calls_a_worker(valkey: redis.Redis, url: str) -> None:
    valkey.zadd(WORKERS, {"w1": 9_000_000_000_000})
    calls: list[str] = []
    admission = RedisAdmission(url, calls.append)
    first = a_message(ref="first")
    await admission.admit(first, a_client())
    await admission.admit(first, a_client())
    await admission.admit(a_message(), a_client())

    assert calls == [first.id]
    assert valkey.zrange(policy_keys.SHIFTS, 0, -1) == [first.id]
    assert valkey.llen(policy_keys.BELL) == 0


async def test_a_worker_that_waits_at_the_line_is_rung_for(valkey: redis.Redis, url: str) -> None:
    valkey.zadd(WORKERS, {"w1": 9_000_000_000_000})
    calls: list[str] = []
    line = RedisLine(valkey)
    line.take("s1", Done(), stays=True, backlog_first=False)
    await RedisAdmission(url, calls.append).admit(message := a_message(), a_client())

    assert calls == []
    assert valkey.llen(policy_keys.BELL) == 1
    taken = line.take("s1", Done(), stays=True, backlog_first=False)
    assert taken.messages == (message,)


async def test_nobody_is_called_while_no_worker_lives(valkey: redis.Redis, url: str) -> None:
    calls: list[str] = []
    await RedisAdmission(url, calls.append).admit(a_message(), a_client())

    assert calls == []
    assert valkey.zcard(policy_keys.SHIFTS) == 0


async def test_a_burst_at_the_same_moment_passes_no_more_than_it_may(
    admission: RedisAdmission, valkey: redis.Redis
) -> None:
    limit(valkey, {"user.messages": "10/1h"})
    found = await asyncio.gather(
        *(admission.admit(a_message(), a_client()) for _ in range(60)), return_exceptions=True
    )
    assert sum(isinstance(each, RateLimited) for each in found) == 50
    assert valkey.zcard(policy_keys.PENDING) == 10
