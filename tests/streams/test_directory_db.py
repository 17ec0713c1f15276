"""What live traffic knows of sites and streams."""

import pytest
import redis
from django.core.exceptions import ValidationError
from django.db import OperationalError

from inference import config_redis
from policy.models import PolicyRecord
from streams import directory_db
from streams.directory_db import CachedDirectory
from streams.models import Site, Stream

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def site(valkey: redis.Redis) -> Site:
    Site.objects.all().delete()
    return Site.objects.create(
        slug="shop", name="Shop", public_key="pk_shop", allowed_origins=["https://shop.example"]
    )


def test_sites_and_streams_are_found_with_what_they_are_set_to(site: Site, url: str) -> None:
    policy = PolicyRecord.objects.create(name="strict")
    Stream.objects.create(site=site, name="lobby", policy=policy, deadline_ms=5_000)
    Stream.objects.create(site=site, name="plain")
    directory = CachedDirectory(url)
    directory.refresh()
    found, lobby = directory.site("shop"), directory.stream("shop", "lobby")
    assert found is not None
    assert found.allowed_origins == ("https://shop.example",)
    assert directory.site_by_key("pk_shop") is found
    assert lobby is not None
    assert (lobby.policy, lobby.deadline_ms, lobby.history_frames) == ("strict", 5_000, 2_000)
    plain = directory.stream("shop", "plain")
    assert plain is not None
    assert plain.policy is None


def test_a_history_holds_at_least_one_frame_for_a_second(site: Site, url: str) -> None:
    row = Stream.objects.create(site=site, name="lobby", history_frames=0, history_s=0)
    directory = CachedDirectory(url)
    directory.refresh()
    found = directory.stream("shop", "lobby")
    assert found is not None
    assert (found.history_frames, found.history_s) == (1, 1)
    with pytest.raises(ValidationError) as refused:
        row.full_clean()
    assert set(refused.value.message_dict) == {"history_frames", "history_s"}


def test_what_is_unknown_or_not_active_is_not_found(site: Site, url: str) -> None:
    Stream.objects.create(site=site, name="closed", active=False)
    gone = Site.objects.create(slug="gone", name="Gone", public_key="pk_gone", active=False)
    Stream.objects.create(site=gone, name="lobby")
    directory = CachedDirectory(url)
    directory.refresh()
    assert directory.site("gone") is None
    assert directory.site_by_key("pk_gone") is None
    assert directory.site_by_key("") is None
    assert directory.stream("gone", "lobby") is None
    assert directory.stream("shop", "closed") is None
    assert directory.stream("shop", "never") is None


def test_a_change_is_seen_after_its_area_was_bumped(site: Site, url: str) -> None:
    directory = CachedDirectory(url)
    directory._cached._max_age_s = 0
    directory.refresh()
    Stream.objects.create(site=site, name="new")
    assert directory.stream("shop", "new") is None
    config_redis.bump(url, directory_db.AREA)
    directory.refresh()
    assert directory.stream("shop", "new") is not None


def test_while_the_database_is_away_the_last_answer_stays(
    site: Site, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = CachedDirectory(url)
    directory._cached._max_age_s = 0
    directory.refresh()

    def away() -> directory_db.Found:
        raise OperationalError("The database is locked.")

    monkeypatch.setattr(directory._cached, "_load", away)
    config_redis.bump(url, directory_db.AREA)
    directory.refresh()
    assert directory.site("shop") is not None
