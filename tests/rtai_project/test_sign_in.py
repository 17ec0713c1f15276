"""Signing in to the admin: so many attempts from one address, right ones and wrong ones."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client

from streams.limits import check
from streams.limits_redis import write_limits

LOGIN = "/admin/login/"
RIGHT = {"username": "ann", "password": "correct horse"}
WRONG = RIGHT | {"password": "battery staple"}

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def client(valkey: redis.Redis, url: str, settings: Any) -> Client:
    settings.RTAI_REDIS_URL = url
    write_limits(valkey, {"address.sign_ins": check("address.sign_ins", "1/1h burst 3")})
    User.objects.create_superuser(RIGHT["username"], password=RIGHT["password"])
    return Client()


def said(client: Client, credentials: Mapping[str, str], address: str = "192.0.2.7") -> str:
    """The page after an attempt; empty where it led further."""
    return client.post(LOGIN, credentials, REMOTE_ADDR=address).content.decode()


def test_a_right_password_opens_the_admin(client: Client) -> None:
    assert said(client, RIGHT) == ""
    assert client.get("/admin/").status_code == 200


def test_after_too_many_attempts_not_even_the_right_password_is_looked_at(client: Client) -> None:
    for _ in range(3):
        assert "Please enter the correct username and password" in said(client, WRONG)
    answer = said(client, RIGHT)

    told = r"Too many attempts to sign in from here\. Try again in (3600|359\d) seconds\."
    assert re.search(told, answer)
    assert "correct username and password" not in answer
    assert client.get("/admin/").status_code == 302


def test_other_addresses_have_attempts_of_their_own(client: Client) -> None:
    for _ in range(4):
        said(client, WRONG)
    assert said(client, RIGHT, address="198.51.100.4") == ""


def test_without_redis_the_admin_opens_all_the_same(
    client: Client, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.RTAI_REDIS_URL = "redis://127.0.0.1:1/0"
    assert said(client, RIGHT) == ""
    assert "attempts to sign in are not counted" in caplog.text
