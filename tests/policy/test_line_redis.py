"""The line of messages that wait to be judged, on a real Valkey."""

import json
from collections.abc import Sequence

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference.batching import MAX_ITEMS, MAX_TEXT_TOKENS, MAX_TOKENS, work
from inference.errors import Overloaded
from inference.workers_redis import WORKERS
from policy import keys
from policy.line_redis import IDLE_MS, LEASE_MS, REDISPATCH_MS, RedisLine, Tended
from policy.messages import Message, new_id
from policy.shifts import Done, Taken
from tests.builders import NOW_MS, a_message

FAR_MS = 9_000_000_000_000


@pytest.fixture
def line(valkey: redis.Redis) -> RedisLine:
    live(valkey, 1)
    return RedisLine(valkey)


def server_ms(valkey: redis.Redis) -> int:
    seconds, microseconds = valkey.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


def live(valkey: redis.Redis, workers: int) -> None:
    valkey.delete(WORKERS)
    for number in range(workers):
        valkey.zadd(WORKERS, {f"w{number}": FAR_MS})


def queued(
    valkey: redis.Redis,
    *,
    text: str = "Hello there.",
    line: str = keys.WAITING,
    deadline_ms: int = FAR_MS,
    due_ms: int = FAR_MS,
) -> Message:
    """A message as admission leaves it."""
    message = a_message(id=new_id(NOW_MS), text=text, deadline_ms=deadline_ms)
    body = json.dumps(message.as_json())
    valkey.hset(keys.message(message.id), mapping={"body": body, "work": work(text)})
    valkey.zadd(keys.PENDING, {message.id: due_ms})
    valkey.zadd(keys.DEADLINES, {message.id: deadline_ms})
    if line:
        valkey.rpush(line, message.id)
    return message


def take(
    line: RedisLine, shift: str = "s1", *, stays: bool = True, backlog_first: bool = False
) -> Taken:
    return line.take(shift, Done(), stays=stays, backlog_first=backlog_first)


def test_messages_are_taken_in_order_and_once(line: RedisLine, valkey: redis.Redis) -> None:
    messages = [queued(valkey) for _ in range(3)]

    assert take(line) == Taken(tuple(messages))
    assert take(line) == Taken()
    assert valkey.llen(keys.WAITING) == 0


def test_what_is_taken_counts_as_orphaned_only_later(line: RedisLine, valkey: redis.Redis) -> None:
    message = queued(valkey)
    take(line)

    due = valkey.zscore(keys.PENDING, message.id)

    assert isinstance(due, float)
    assert 0 < due - server_ms(valkey) <= REDISPATCH_MS


def test_what_is_decided_or_gone_is_passed_over(line: RedisLine, valkey: redis.Redis) -> None:
    decided, gone, open_ = queued(valkey), queued(valkey), queued(valkey)
    valkey.hset(keys.message(decided.id), "verdict", "{}")
    valkey.delete(keys.message(gone.id))

    assert take(line) == Taken((open_,))


def test_what_is_late_is_left_to_the_sweeper(line: RedisLine, valkey: redis.Redis) -> None:
    queued(valkey, deadline_ms=1)
    in_time = queued(valkey)

    assert take(line) == Taken((in_time,), late=1)


def test_a_batch_has_so_many_messages(line: RedisLine, valkey: redis.Redis) -> None:
    messages = [queued(valkey) for _ in range(MAX_ITEMS + 3)]

    first, second = take(line), take(line)

    assert list(first.messages) == messages[:MAX_ITEMS]
    assert list(second.messages) == messages[MAX_ITEMS:]


def test_a_text_larger_than_a_batch_is_taken_alone(line: RedisLine, valkey: redis.Redis) -> None:
    large, small = queued(valkey, text="word " * 10_000), queued(valkey)

    assert take(line) == Taken((large,))
    assert take(line) == Taken((small,))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.integers(0, 3_000), max_size=50))
def test_every_message_is_taken_once_in_order_and_within_bounds(
    line: RedisLine, valkey: redis.Redis, lengths: list[int]
) -> None:
    messages = [queued(valkey, text="word " * length) for length in lengths]
    taken: list[Message] = []
    while batch := take(line).messages:
        taken.extend(batch)
        assert len(batch) <= MAX_ITEMS
        assert len(batch) == 1 or _padded(batch) <= MAX_TOKENS

    assert taken == messages


def _padded(batch: Sequence[Message]) -> int:
    sizes = [work(message.text) for message in batch]
    rows = sum(-(-size // MAX_TEXT_TOKENS) for size in sizes)
    return rows * min(MAX_TEXT_TOKENS, max(sizes))


def test_live_messages_go_before_the_backlog_unless_it_is_its_turn(
    line: RedisLine, valkey: redis.Redis
) -> None:
    again = [queued(valkey, line=keys.AGAIN) for _ in range(2)]
    fresh = [queued(valkey) for _ in range(MAX_ITEMS)]

    assert list(take(line, backlog_first=True).messages) == [*again, *fresh[: MAX_ITEMS - 2]]
    again = [queued(valkey, line=keys.AGAIN)]
    assert list(take(line).messages) == [*fresh[MAX_ITEMS - 2 :], *again]


def test_a_shift_that_finds_nothing_ends_unless_it_stays(
    line: RedisLine, valkey: redis.Redis
) -> None:
    assert take(line, "s1", stays=True) == Taken()
    ends = valkey.zscore(keys.SHIFTS, "s1")
    assert isinstance(ends, float)
    assert 0 < ends - server_ms(valkey) <= LEASE_MS

    assert take(line, "s1", stays=False).is_over
    assert valkey.zcard(keys.SHIFTS) == valkey.zcard(keys.IDLE) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_there_are_as_many_shifts_as_workers(
    line: RedisLine, valkey: redis.Redis, workers: int
) -> None:
    live(valkey, workers)
    for number in range(workers):
        assert not take(line, f"s{number}").is_over

    assert take(line, "one-more").is_over
    assert not take(line, "s0").is_over


def test_a_shift_may_be_taken_over_when_its_lease_has_run_out(
    line: RedisLine, valkey: redis.Redis
) -> None:
    take(line, "dead")
    valkey.zadd(keys.SHIFTS, {"dead": 1})

    assert not take(line, "next").is_over
    assert take(line, "dead").is_over


def test_who_has_judged_tells_how_fast(line: RedisLine, valkey: redis.Redis) -> None:
    line.take("s1", Done(work=640, busy_s=0.25), stays=True, backlog_first=False)
    line.take("s1", Done(), stays=True, backlog_first=False)

    assert valkey.hmget(keys.LOAD, ["work", "busy_ms"]) == ["640", "250"]


def test_a_wait_ends_with_the_bell_or_with_its_time(line: RedisLine, valkey: redis.Redis) -> None:
    valkey.rpush(keys.BELL, "1")
    line.wait(60)
    line.wait(0)

    assert valkey.llen(keys.BELL) == 0


def test_orphans_stand_in_line_again_and_a_worker_is_called(
    line: RedisLine, valkey: redis.Redis
) -> None:
    orphan, taken = queued(valkey, line="", due_ms=1), queued(valkey, line="")

    tended = line.tend()

    assert tended.orphans == 1
    assert valkey.zscore(keys.SHIFTS, tended.shift) is not None
    assert take(line, tended.shift) == Taken((orphan,))
    assert valkey.zscore(keys.PENDING, taken.id) == FAR_MS
    assert line.tend() == Tended(0, "")


def test_an_orphan_in_line_is_no_orphan_until_its_deadline(
    line: RedisLine, valkey: redis.Redis
) -> None:
    orphan = queued(valkey, line="", due_ms=1)

    assert [line.tend().orphans for _ in range(3)] == [1, 0, 0]
    assert valkey.zscore(keys.PENDING, orphan.id) == FAR_MS
    assert valkey.lrange(keys.AGAIN, 0, -1) == [orphan.id]


def test_an_orphan_past_its_deadline_is_left_to_the_fail_mode(
    line: RedisLine, valkey: redis.Redis
) -> None:
    queued(valkey, line="", due_ms=1, deadline_ms=1)

    assert line.tend() == Tended(0, "")
    assert valkey.llen(keys.AGAIN) == 0


def test_an_id_without_a_message_is_watched_no_longer(line: RedisLine, valkey: redis.Redis) -> None:
    valkey.zadd(keys.PENDING, {"gone": 1})
    valkey.zadd(keys.DEADLINES, {"gone": 1})

    assert line.tend() == Tended(0, "")
    assert valkey.zcard(keys.PENDING) == valkey.zcard(keys.DEADLINES) == 0


def test_a_line_of_decided_messages_is_emptied_while_no_worker_lives(
    line: RedisLine, valkey: redis.Redis
) -> None:
    live(valkey, 0)
    for name in (keys.WAITING, keys.AGAIN):
        valkey.hset(keys.message(queued(valkey, line=name).id), "verdict", "{}")
    waiting = queued(valkey)

    assert line.tend() == Tended(0, "")
    assert valkey.lrange(keys.WAITING, 0, -1) == [waiting.id]
    assert valkey.llen(keys.AGAIN) == 0


def test_a_worker_that_found_nothing_is_rung_for(line: RedisLine, valkey: redis.Redis) -> None:
    live(valkey, 2)
    take(line, "s1")
    queued(valkey)

    assert line.tend() == Tended(0, "")
    assert valkey.llen(keys.BELL) == 1


@pytest.mark.parametrize(("busy", "called"), [(1, True), (2, False)])
def test_another_worker_is_called_while_all_at_the_line_are_busy(
    line: RedisLine, valkey: redis.Redis, busy: int, called: bool
) -> None:
    live(valkey, 2)
    for number in range(busy):
        queued(valkey)
        take(line, f"s{number}")
    queued(valkey)

    assert bool(line.tend().shift) is called
    assert valkey.llen(keys.BELL) == 0


def test_who_has_not_come_back_to_the_bell_is_not_idle(
    line: RedisLine, valkey: redis.Redis
) -> None:
    live(valkey, 2)
    take(line, "s1")
    until = valkey.zscore(keys.IDLE, "s1")
    assert isinstance(until, float)
    assert 0 < until - server_ms(valkey) <= IDLE_MS
    valkey.zadd(keys.IDLE, {"s1": 1})
    queued(valkey)

    assert line.tend().shift


def test_a_shift_that_was_left_makes_room_for_another(line: RedisLine, valkey: redis.Redis) -> None:
    take(line, "s1")
    queued(valkey)
    line.leave("s1")

    assert line.tend().shift


def test_a_line_that_is_away_is_overload() -> None:
    line = RedisLine(redis.Redis(unix_socket_path="/nonexistent/valkey.sock"))

    with pytest.raises(Overloaded):
        take(line)
    with pytest.raises(Overloaded):
        line.wait(1)
    with pytest.raises(Overloaded):
        line.leave("s1")
