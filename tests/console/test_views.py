"""Who sees which page."""

import re

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import OperationalError
from django.test import AsyncClient, Client
from pytest_django.fixtures import Settings

from console import status_db
from streams import lifespan

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_counts_of_other_tests() -> None:
    cache.clear()


@pytest.fixture
def clerk(client: Client) -> Client:
    """A signed-in person who is no operator."""
    client.force_login(User.objects.create_user("clerk"))
    return client


def test_the_first_page_is_the_demo_while_it_is_on(client: Client) -> None:
    assert client.get("/")["Location"] == "/demo/"


def test_the_first_page_is_the_sign_in_otherwise(client: Client, settings: Settings) -> None:
    settings.RTAI_DEMO = False

    assert client.get("/")["Location"] == "/admin/login/"
    assert client.get("/demo/").status_code == 404


def test_operators_see_the_dashboard(admin_client: Client) -> None:
    for path in ("/", "/console/"):
        response = admin_client.get(path)

        assert response.status_code == 200
        assert b"Dashboard" in response.content
        assert "no-store" in response["Cache-Control"]


def test_the_dashboard_leads_only_to_pages_that_exist(admin_client: Client) -> None:
    page = admin_client.get("/console/").content.decode()
    links = set(re.findall(r'href="(/[^"#]*)"', page.split("<main")[1]))

    assert "/admin/streams/ratelimit/" in links
    assert {admin_client.get(link).status_code for link in links} == {200}


def test_others_are_asked_to_sign_in(clerk: Client) -> None:
    assert clerk.get("/console/")["Location"] == "/admin/login/?next=/console/"
    assert clerk.get("/")["Location"] == "/demo/"
    assert clerk.get("/console/status.json").status_code == 403


def test_pages_hold_no_inline_script_and_no_inline_style(admin_client: Client) -> None:
    for path in ("/", "/demo/"):
        page = admin_client.get(path).content.decode()

        assert re.search(r"<style|\sstyle=|\son\w+=", page) is None
        assert re.search(r"<script(?![^>]*\ssrc=)", page) is None


def test_the_demo_may_connect_to_its_own_host_only(client: Client) -> None:
    policy = client.get("/demo/", headers={"Host": "chat.example:8443"})["Content-Security-Policy"]

    assert "connect-src 'self' ws://chat.example:8443 wss://chat.example:8443" in policy
    assert "unsafe" not in policy


def test_the_browsers_question_for_an_icon_is_answered(client: Client) -> None:
    assert client.get("/favicon.ico")["Location"] == "/static/console/icon.svg"


async def test_the_numbers_are_for_operators(async_client: AsyncClient) -> None:
    response = await async_client.get("/console/status.json")

    assert response.status_code == 403
    assert response["Cache-Control"] == "no-store"


@pytest.mark.usefixtures("valkey")
@pytest.mark.django_db(transaction=True)
async def test_the_numbers_tell_that_no_worker_is_there(async_client: AsyncClient) -> None:
    boss = await User.objects.acreate(username="boss", is_staff=True)
    await async_client.aforce_login(boss)

    response = await async_client.get("/console/status.json")
    await lifespan.drain()

    found = response.json()
    assert found["ready"]["ok"] is not True
    assert found["live"]["workers"] == []
    assert found["connected"] == 0
    assert found["actions"] == {"allow": 0, "flag": 0, "hold": 0, "block": 0}


@pytest.mark.usefixtures("valkey")
@pytest.mark.django_db(transaction=True)
async def test_without_the_database_nobody_is_counted_rather_than_zero(
    async_client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> list[str]:
        raise OperationalError("away")

    boss = await User.objects.acreate(username="boss", is_staff=True)
    await async_client.aforce_login(boss)
    monkeypatch.setattr(status_db, "sites", away)

    response = await async_client.get("/console/status.json")
    await lifespan.drain()

    found = response.json()
    assert found["connected"] is None
    assert found["live"]["pending"] == 0
    assert found["failures"] == ["the database does not answer"]
