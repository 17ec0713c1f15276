"""What `doctor` says of Redis, on a real one."""

from collections.abc import Iterator

import pytest
import redis

from rtai_project.management.commands.doctor import Problem, check_redis

NAMES = ("appendonly", "appendfsync", "maxmemory-policy")


@pytest.fixture
def server(valkey: redis.Redis) -> Iterator[redis.Redis]:
    """The tests' own; it is left as it was."""
    before = {name: str(valkey.config_get(name)[name]) for name in NAMES}
    yield valkey
    for name, value in before.items():
        valkey.config_set(name, value)


@pytest.mark.parametrize(
    ("kept", "said"),
    [("no", "before they are answered"), ("always", "before they"), ("everysec", "may lose")],
)
def test_doctor_says_whether_a_kill_may_lose_writes(
    server: redis.Redis, kept: str, said: str
) -> None:
    server.config_set("appendonly", "yes")
    server.config_set("appendfsync", kept)

    assert said in check_redis()


def test_a_redis_that_keeps_no_log_is_a_problem(server: redis.Redis) -> None:
    server.config_set("appendonly", "no")

    with pytest.raises(Problem, match="appendonly"):
        check_redis()


def test_a_redis_that_throws_keys_away_is_a_problem(server: redis.Redis) -> None:
    server.config_set("appendonly", "yes")
    server.config_set("maxmemory-policy", "allkeys-lru")

    with pytest.raises(Problem, match="noeviction"):
        check_redis()
