"""An anonymous visitor's token: for pages we know, at a pace, and never for the banned."""

import json
import time
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
from django.conf import settings
from django.test import Client

from api.visitors import clean_name
from streams import addresses, bans_db, tokens_jwt
from streams.limits import Rate
from streams.limits_redis import write_limits
from streams.models import Site
from streams.tokens import Claims
from tests.api.conftest import ORIGIN

pytestmark = pytest.mark.database
PATH = "/widget/v1/token"


def ask(body: Any = None, origin: str | None = ORIGIN, **headers: str) -> Any:
    body = {"site": "pk_shop"} if body is None else body
    found = Client(enforce_csrf_checks=True).post(
        PATH,
        body if isinstance(body, str | bytes) else json.dumps(body),
        content_type="application/json",
        headers=({"Origin": origin} if origin is not None else {}) | headers,
    )
    found.data = json.loads(found.content)  # type: ignore[attr-defined]
    return found


def claims_of(response: Any) -> Claims:
    assert response.status_code == 200, response.content
    return tokens_jwt.verify(settings.RTAI_SECRETS["tokens"], response.data["token"], time.time())


def token(**given: Any) -> str:
    values = {"site": "shop", "sub": "guest-1", "name": "Ann", "streams": ("*",), "role": "member"}
    claims = Claims(**(values | {"exp": int(time.time()) + 600} | given))
    return tokens_jwt.mint(settings.RTAI_SECRETS["tokens"], claims)


def test_a_visitor_of_an_allowed_page_gets_a_token_for_ten_minutes(site: Site) -> None:
    response = ask({"site": "pk_shop", "name": "  Zoë \u202e Fox "})
    claims = claims_of(response)
    assert (claims.site, claims.name, claims.role, claims.streams) == (
        "shop",
        "Zoë Fox",
        "member",
        ("*",),
    )
    assert claims.sub.startswith("guest-")
    ends = datetime.fromisoformat(response.data["expires_at"])
    assert response.data["expires_at"].endswith(".000Z")
    assert abs(ends.timestamp() - time.time() - 600) < 30
    assert response["Access-Control-Allow-Origin"] == ORIGIN
    assert response["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Credentials" not in response
    assert not response.cookies


def test_a_visitor_without_a_name_is_a_numbered_guest_and_all_differ(site: Site) -> None:
    first, second = claims_of(ask()), claims_of(ask())
    assert first.name.startswith("Guest ")
    assert first.sub != second.sub


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "",
        "null",
        "https://evil.example",
        "http://shop.example",
        "https://shop.example:8443",
        "https://shop.example.evil.example",
        "https://evilshop.example",
        "https://shop.example@evil.example",
        "https://shop.example/",
        "https://shop.example\u0000.evil.example",
        "https://ѕhop.example",
        "https://.shop.example",
        "http://localhost:3001",
    ],
)
def test_an_absent_foreign_or_look_alike_origin_is_refused(site: Site, origin: str | None) -> None:
    response = ask(origin=origin)
    assert response.status_code == 403
    assert response["Content-Type"] == "application/problem+json"
    assert response.data["code"] == "forbidden"
    assert "token" not in response.data
    assert response.get("Access-Control-Allow-Origin") == ("*" if origin else None)
    assert "Access-Control-Allow-Credentials" not in response


@pytest.mark.parametrize("origin", [ORIGIN, "https://www.shop.example", "HTTPS://SHOP.EXAMPLE"])
def test_every_form_of_an_allowed_origin_passes(site: Site, origin: str) -> None:
    assert ask(origin=origin).status_code == 200


@pytest.mark.parametrize(
    ("origin", "allowed"), [(ORIGIN, ORIGIN), ("https://evil.example", "*"), ("null", "*")]
)
def test_a_preflight_passes_so_that_a_foreign_page_can_read_its_refusal(
    site: Site, origin: str, allowed: str
) -> None:
    found = Client().options(PATH, headers={"Origin": origin})
    assert found.status_code == 204
    assert found["Access-Control-Allow-Origin"] == allowed
    assert found["Access-Control-Allow-Methods"] == "POST"
    assert found["Access-Control-Allow-Headers"] == "Content-Type"
    assert found["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in found


def test_an_earlier_token_keeps_who_the_visitor_is(site: Site) -> None:
    first = claims_of(ask({"site": "pk_shop", "name": "Ann"}))
    renamed = claims_of(ask({"site": "pk_shop", "name": "Eve", "previous": token(sub=first.sub)}))
    unnamed = claims_of(ask({"site": "pk_shop", "previous": token(sub=first.sub)}))
    assert (renamed.sub, renamed.name) == (first.sub, "Eve")
    assert (unnamed.sub, unnamed.name) == (first.sub, "Ann")


def test_an_expired_token_keeps_it_for_a_day(site: Site) -> None:
    now = int(time.time())
    kept = ask({"site": "pk_shop", "previous": token(exp=now - 23 * 3600)})
    gone = ask({"site": "pk_shop", "previous": token(exp=now - 25 * 3600)})
    assert claims_of(kept).sub == "guest-1"
    assert claims_of(gone).sub != "guest-1"


@pytest.mark.parametrize(
    "previous",
    [
        pytest.param({"site": "other"}, id="another site's"),
        pytest.param({"sub": "customer-7"}, id="one of the site's own users"),
        pytest.param({"sub": "customer-7", "role": "moderator"}, id="a moderator"),
    ],
)
def test_a_token_of_somebody_else_makes_no_visitor(site: Site, previous: dict[str, str]) -> None:
    claims = claims_of(ask({"site": "pk_shop", "previous": token(**previous)}))
    assert claims.sub.startswith("guest-")
    assert claims.sub != "guest-1"
    assert claims.role == "member"


@pytest.mark.parametrize(
    "previous", ["x", "a.b.c", token()[:-2] + "xx", "\ud800", "é" * 5_000, "." * 1_000]
)
def test_a_forged_token_makes_a_new_visitor(site: Site, previous: str) -> None:
    assert claims_of(ask({"site": "pk_shop", "previous": previous})).sub != "guest-1"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 422),
        ("{", 422),
        ("[]", 422),
        ("null", 422),
        ("[" * 30_000, 422),
        (b"\xff\xfe", 422),
        ("{}", 422),
        ({"site": 7}, 422),
        ({"site": None}, 422),
        ({"site": "pk_shop", "name": 7}, 422),
        ({"site": "pk_shop", "name": ["x"]}, 422),
        ({"site": "pk_shop", "previous": {}}, 422),
        ({"site": "pk_nowhere"}, 404),
        ({"site": ""}, 404),
        ({"site": "pk_shop\u0000"}, 404),
        ({"site": "pk_shop", "name": "x" * 40_000}, 413),
    ],
)
def test_malformed_bodies_are_problems(site: Site, body: Any, status: int) -> None:
    response = ask(body)
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    assert response.data["status"] == status


def test_other_methods_are_refused(site: Site) -> None:
    assert Client().get(PATH).status_code == 405


def test_an_inactive_site_hands_out_nothing(site: Site) -> None:
    site.active = False
    site.save()
    assert ask().status_code == 404


def test_one_address_may_not_ask_too_often(site: Site, valkey: redis.Redis) -> None:
    write_limits(valkey, {"address.connections": Rate(2, 60_000, 2)})
    assert [ask().status_code for _ in range(3)] == [200, 200, 429]
    refused = ask()
    assert refused["Access-Control-Allow-Origin"] == ORIGIN
    assert 1 <= int(refused["Retry-After"]) <= 30
    assert refused.data["code"] == "rate_limited"
    assert 0 < refused.data["retry_after_ms"] <= 30_000


def test_a_forwarded_address_counts_from_trusted_proxies_only(
    site: Site, valkey: redis.Redis, settings: Any
) -> None:
    write_limits(valkey, {"address.connections": Rate(1, 60_000, 1)})
    headers = [{"X-Forwarded-For": f"192.0.2.{number}"} for number in range(3)]
    assert [ask(**each).status_code for each in headers] == [200, 429, 429]
    from ipaddress import ip_network

    settings.RTAI_TRUSTED_PROXIES = (ip_network("127.0.0.0/8"),)
    assert [ask(**each).status_code for each in headers] == [200, 200, 200]


def test_the_banned_get_no_token(site: Site) -> None:
    address = addresses.hashed(settings.RTAI_SECRETS["addresses"], "127.0.0.1")
    ban = bans_db.ban("shop", "address", address, timedelta(hours=1))
    assert ask().status_code == 403
    ban.delete()
    assert ask().status_code == 200
    bans_db.ban("shop", "user", "guest-1", timedelta(hours=1))
    assert ask({"site": "pk_shop", "previous": token()}).status_code == 403


def test_a_redis_that_is_away_is_a_problem_and_not_a_pass(site: Site, settings: Any) -> None:
    ask()
    settings.RTAI_REDIS_URL = "unix:///nonexistent/valkey.sock"
    response = ask()
    assert response.status_code == 503
    assert response.data["code"] == "overloaded"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("Ann", "Ann"),
        ("  A \t\n n  ", "A n"),
        ("\u200b\u202e\u0000", ""),
        ("a\u0301", "á"),
        ("x" * 100, "x" * 64),
        ("\ud800Ann", "Ann"),
        ("😀🏽", "😀🏽"),
        ("مريم", "مريم"),
        ("a\u3000b", "a b"),
    ],
)
def test_names_show_what_they_are(given: str, shown: str) -> None:
    assert clean_name(given) == shown
