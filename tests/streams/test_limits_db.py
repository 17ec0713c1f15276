"""Limits, bans and sites that are saved take effect; the command line sets limits too."""

import io
import time
from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module

import msgpack
import pytest
import redis
from django.apps import apps
from django.core.management import CommandError, call_command
from django.utils import timezone

from inference import config_redis
from streams import bans_db, bans_redis, keys, limits_db
from streams.limits import DEFAULTS, EXPECTED_BY, NAMES, Rate
from streams.limits_redis import read_limits
from streams.models import Ban, RateLimit, Site, Stream

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def nothing_stored(valkey: redis.Redis) -> Iterator[None]:
    RateLimit.objects.all().delete()
    valkey.flushall()
    limits_db._mirrors.clear()
    yield
    limits_db._mirrors.clear()


@pytest.fixture
def site() -> Site:
    return Site.objects.create(slug="shop", name="Shop", public_key="pk_shop")


def command(*arguments: str) -> str:
    found = io.StringIO()
    call_command("limits", *arguments, stdout=found)
    return found.getvalue()


def test_a_saved_limit_is_in_force_and_a_deleted_one_is_not(valkey: redis.Redis) -> None:
    row = RateLimit.objects.create(scope="user", resource="messages", rate="5/1s")
    assert read_limits(valkey) == {"user.messages": Rate(5, 1_000, 5)}
    row.rate = "1/1m"
    row.save()
    assert read_limits(valkey) == {"user.messages": Rate(1, 60_000, 1)}
    row.delete()
    assert read_limits(valkey) == {}


def test_a_limit_that_cannot_be_read_does_not_stop_the_others(
    valkey: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    RateLimit.objects.create(scope="user", resource="messages", rate="lots")
    RateLimit.objects.create(scope="site", resource="messages", rate="5/1s")
    assert read_limits(valkey) == {"site.messages": Rate(5, 1_000, 5)}
    assert "user.messages: expected a rate" in caplog.text


def test_the_defaults_are_stored_once(valkey: redis.Redis) -> None:
    limits_db.ensure_defaults()
    RateLimit.objects.filter(scope="user", resource="messages").delete()
    limits_db.ensure_defaults()
    assert RateLimit.objects.count() == len(DEFAULTS) - 1


@pytest.mark.parametrize(
    ("migration", "kept", "added"),
    [
        ("0003_work_limits", "user.work", ["address.work"]),
        ("0004_token_limits", "user.tokens", ["site.tokens"]),
        (
            "0005_accept_limits",
            "process.accepts",
            ["address.accepts", "process.sockets", "address.sockets"],
        ),
    ],
)
def test_an_installation_that_has_limits_gets_the_new_ones_and_a_fresh_one_waits(
    migration: str, kept: str, added: list[str]
) -> None:
    add = import_module(f"streams.migrations.{migration}").add
    RateLimit.objects.all().delete()
    add(apps, None)
    assert not RateLimit.objects.exists()

    scope, resource = kept.split(".")
    RateLimit.objects.create(scope=scope, resource=resource, rate="7/1s")
    add(apps, None)
    found = {str(row): row.rate for row in RateLimit.objects.all()}
    assert found == {kept: "7/1s", **{name: DEFAULTS[name] for name in added}}


def test_an_installation_that_has_limits_gets_the_one_on_signing_in_and_a_fresh_one_waits() -> None:
    add = import_module("streams.migrations.0007_sign_in_limits").add
    RateLimit.objects.all().delete()
    add(apps, None)
    assert not RateLimit.objects.exists()

    RateLimit.objects.create(scope="user", resource="messages", rate="7/1s")
    add(apps, None)
    add(apps, None)
    found = {str(row): row.rate for row in RateLimit.objects.all()}
    assert found == {"user.messages": "7/1s", "address.sign_ins": DEFAULTS["address.sign_ins"]}


def test_an_installation_that_has_limits_gets_the_bound_of_the_queue_and_a_fresh_one_waits() -> (
    None
):
    add = import_module("streams.migrations.0008_waiting_limits").add
    RateLimit.objects.all().delete()
    add(apps, None)
    assert not RateLimit.objects.exists()

    RateLimit.objects.create(scope="user", resource="messages", rate="7/1s")
    add(apps, None)
    add(apps, None)
    found = {str(row): row.rate for row in RateLimit.objects.all()}
    assert found == {"user.messages": "7/1s", "all.waiting_generations": "256"}


def test_every_limit_there_is_can_be_stored_and_lifted_with_all_others(valkey: redis.Redis) -> None:
    for name in NAMES:
        command("set", name, "5" if EXPECTED_BY.get(name.partition(".")[2]) else "5/1m")
    assert set(read_limits(valkey) or {}) == set(NAMES)
    command("off", "--all")
    assert read_limits(valkey) == {}


def test_limits_and_bans_that_redis_lost_come_back(
    valkey: redis.Redis, url: str, site: Site
) -> None:
    RateLimit.objects.create(scope="user", resource="messages", rate="5/1s")
    bans_db.ban("shop", "user", "eve", timedelta(hours=1))
    Ban.objects.create(
        site=site, kind="user", subject="old", until=timezone.now() - timedelta(hours=1)
    )
    limits_db.ensure_synced(url)
    valkey.flushall()
    limits_db.ensure_synced(url)
    assert read_limits(valkey) == {"user.messages": Rate(5, 1_000, 5)}
    assert valkey.zrange(keys.bans("shop"), 0, -1) == ["user:eve"]


def test_a_save_that_never_reached_redis_is_repaired(
    valkey: redis.Redis, url: str, site: Site
) -> None:
    now = 0.0
    mirror = limits_db.Mirror(url, clock=lambda: now)
    mirror.ensure()
    Ban.objects.bulk_create(
        [Ban(site=site, kind="user", subject="eve", until=timezone.now() + timedelta(hours=1))]
    )
    mirror.ensure()
    assert not valkey.exists(keys.bans("shop"))
    now = 31.0
    mirror.ensure()
    assert valkey.exists(keys.bans("shop"))


def test_syncing_while_redis_is_away_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    limits_db.ensure_synced("unix:///nonexistent/valkey.sock")
    assert "not synced" in caplog.text


def test_a_ban_holds_at_once_closes_what_is_open_and_can_be_lifted(
    valkey: redis.Redis, site: Site
) -> None:
    raw = redis.Redis(
        connection_pool=redis.ConnectionPool(
            connection_class=redis.UnixDomainSocketConnection,
            path=valkey.connection_pool.connection_kwargs["path"],
        )
    )
    listener = raw.pubsub()  # type: ignore[no-untyped-call]
    listener.subscribe("rtai__group__site.shop")
    assert listener.get_message(timeout=5) is not None
    ban = bans_db.ban("shop", "address", "a1", timedelta(hours=1), "spam")
    event = listener.get_message(timeout=5)
    listener.close()
    raw.close()
    assert event is not None
    found = msgpack.unpackb(event["data"])
    assert (found["type"], found["address"], found["user"]) == ("session.close", "a1", "")
    assert found["code"] == 4503
    assert '"code":"banned"' in found["reason"]
    ends = bans_redis.ban_end(valkey, "shop", "address", "a1")
    assert abs(ends - time.time() * 1_000 - 3_600_000) < 60_000
    ban.delete()
    assert bans_redis.ban_end(valkey, "shop", "address", "a1") == 0


def test_banning_again_moves_the_end(valkey: redis.Redis, site: Site) -> None:
    bans_db.ban("shop", "user", "eve", timedelta(hours=1))
    bans_db.ban("shop", "user", "eve", timedelta(days=1))
    assert Ban.objects.count() == 1
    ban = Ban.objects.get()
    ban.until = timezone.now() - timedelta(seconds=1)
    ban.save()
    assert bans_redis.ban_end(valkey, "shop", "user", "eve") == 0


def test_saving_a_site_or_stream_tells_every_process(valkey: redis.Redis, site: Site) -> None:
    before = int(valkey.hget(config_redis.VERSIONS, "sites") or 0)
    stream = Stream.objects.create(site=site, name="lobby")
    stream.delete()
    site.delete()
    assert int(valkey.hget(config_redis.VERSIONS, "sites") or 0) >= before + 3


def test_the_command_sets_a_limit_and_returns_when_it_is_in_force(valkey: redis.Redis) -> None:
    command("set", "user.messages", "600/1m burst 50")
    assert read_limits(valkey) == {"user.messages": Rate(600, 60_000, 50)}
    command("set", "user.messages", "20/10s", "burst", "40")
    assert read_limits(valkey) == {"user.messages": Rate(20, 10_000, 40)}
    assert "user.messages             20/10s burst 40\n" in command("list")


def test_the_command_lifts_one_limit_or_all_and_remembers_their_rates(
    valkey: redis.Redis,
) -> None:
    limits_db.ensure_defaults()
    command("off", "user.messages")
    assert "user.messages" not in (read_limits(valkey) or {})
    assert len(read_limits(valkey) or {}) == len(DEFAULTS) - 1
    command("off", "--all")
    assert read_limits(valkey) == {}
    assert "user.open_connections     off (20)\n" in command("list")
    assert "process.sockets           off (50000)\n" in command("list")
    assert "session.generations       unlimited\n" in command("list")
    assert "all.waiting_generations   off (256)\n" in command("list")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["set", "user.mesages", "20/10s"], "user.messages"),
        (["set", "user.messages", "quick"], "expected a rate such as 20/10s"),
        (["set", "user.open_connections", "20/10s"], "expected a number such as 20"),
        (["off", "nothing.at_all"], "no limit is named"),
        (["off"], "or --all"),
        (["off", "user.messages", "--all"], "or --all"),
        (["set", "user.messages"], "RATE"),
        ([], "action"),
    ],
)
def test_a_bad_command_is_one_line(arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said) as refused:
        command(*arguments)
    assert "\n" not in str(refused.value)
    assert not RateLimit.objects.exists()


def test_the_command_says_when_a_server_does_not_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.management.commands.limits.wait_until_in_use", lambda _: False)
    with pytest.raises(CommandError, match="still counts"):
        command("off", "--all")


def test_the_command_says_when_redis_is_away(settings: object) -> None:
    settings.RTAI_REDIS_URL = "unix:///nonexistent/valkey.sock"  # type: ignore[attr-defined]
    with pytest.raises(CommandError, match="Redis is away"):
        command("set", "user.messages", "20/10s")
