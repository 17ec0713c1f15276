"""Over TLS as far as a trusted proxy: who is believed, and what it takes to sign in."""

from ipaddress import ip_network
from typing import Any, cast

import pytest
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth.models import User
from django.core.asgi import get_asgi_application
from django.http import SimpleCookie

from rtai_project.middleware import ForwardedScheme

HOST = "chat.example.org"
HTTPS = (b"x-forwarded-proto", b"https")
LOGIN = "/admin/login/"


@pytest.fixture(autouse=True)
def proxy(settings: Any) -> None:
    settings.RTAI_TRUSTED_PROXIES = (ip_network("10.0.0.0/8"),)
    settings.ALLOWED_HOSTS = [HOST]


async def seen(*headers: tuple[bytes, bytes], peer: str = "10.0.0.9") -> str:
    """The scheme that the application behind it sees."""
    schemes = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        schemes.append(scope["scheme"])

    scope = {"type": "http", "scheme": "http", "client": (peer, 1), "headers": list(headers)}
    await ForwardedScheme(application)(scope, None, None)
    return str(schemes[0])


async def test_a_trusted_proxy_says_that_a_request_came_over_tls() -> None:
    assert await seen(HTTPS) == "https"
    assert await seen() == "http"
    assert await seen((b"x-forwarded-proto", b"http")) == "http"


@pytest.mark.parametrize("value", [b"", b"https, http", b"httpsx", b"\xff", b"wss"])
async def test_what_is_not_https_is_not_believed(value: bytes) -> None:
    assert await seen((b"x-forwarded-proto", value)) == "http"


async def test_nobody_else_is_believed_nor_two_who_disagree() -> None:
    assert await seen(HTTPS, peer="192.0.2.1") == "http"
    assert await seen(HTTPS, (b"x-forwarded-proto", b"http")) == "http"


async def exchange(
    method: str, headers: list[tuple[bytes, bytes]], body: bytes = b"", *, peer: str
) -> tuple[int, SimpleCookie, bytes]:
    """Status, cookies and body of the page for signing in."""
    scope = {
        "type": "http", "http_version": "1.1", "method": method, "scheme": "http", "path": LOGIN,
        "raw_path": LOGIN.encode(), "query_string": b"", "client": (peer, 1),
        "server": ("127.0.0.1", 8000), "headers": [(b"host", HOST.encode()), *headers],
    }  # fmt: skip
    door = cast(Any, ApplicationCommunicator)(ForwardedScheme(get_asgi_application()), scope)
    await door.send_input({"type": "http.request", "body": body})
    start, found, more = await door.receive_output(10), b"", True
    while more:
        part = await door.receive_output(10)
        found, more = found + part["body"], part.get("more_body", False)
    await door.wait()
    cookies = SimpleCookie()
    for name, value in start["headers"]:
        if name.lower() == b"set-cookie":
            cookies.load(value.decode())
    return start["status"], cookies, found


async def sign_in(peer: str) -> tuple[int, SimpleCookie]:
    """As a browser at `https://chat.example.org` does."""
    _, cookies, _ = await exchange("GET", [HTTPS], peer=peer)
    token = cookies["csrftoken"].value
    headers = [
        HTTPS,
        (b"origin", f"https://{HOST}".encode()),
        (b"referer", f"https://{HOST}{LOGIN}".encode()),
        (b"cookie", f"csrftoken={token}".encode()),
        (b"content-type", b"application/x-www-form-urlencoded"),
    ]
    form = f"csrfmiddlewaretoken={token}&username=root&password=a-long-secret&next=/admin/"
    status, cookies, _ = await exchange("POST", headers, form.encode(), peer=peer)
    return status, cookies


@pytest.mark.django_db(transaction=True)
async def test_one_signs_in_behind_a_trusted_proxy_with_a_cookie_for_tls_only() -> None:
    await User.objects.acreate_superuser("root", password="a-long-secret")
    status, cookies = await sign_in("10.0.0.9")

    assert status == 302
    assert cookies["sessionid"]["secure"] is True
    assert cookies["csrftoken"]["secure"] is True


@pytest.mark.django_db(transaction=True)
async def test_a_page_that_claims_tls_by_itself_cannot_sign_in() -> None:
    await User.objects.acreate_superuser("root", password="a-long-secret")

    assert (await sign_in("192.0.2.1"))[0] == 403
