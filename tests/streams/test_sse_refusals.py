"""What an event stream's door refuses, and how; tickets, limits and pages of other origins."""

import json
import time
from typing import Any

import pytest

from streams import keys
from tests.rtai_project.waiting import wait_until
from tests.streams.sse_door import ORIGIN
from tests.streams.sse_guests import Door, bearer, token


def test_a_ticket_opens_one_stream_and_no_second(sse: Door, room: str) -> None:
    ticket = sse.ticket(user="eve")
    with sse.http.stream("GET", f"/sse/v1/streams/{room}?ticket={ticket}") as response:
        assert response.status_code == 200
        assert sse.valkey.zcard(keys.user_sessions("demo", "eve")) == 1
    again = sse.get(f"streams/{room}", params={"ticket": ticket})

    assert (again.status_code, again.json()["code"]) == (401, "unauthorized")


def test_a_ticket_grants_what_its_token_granted(sse: Door, room: str) -> None:
    params = {"ticket": sse.ticket(streams=("other",))}

    assert sse.get(f"streams/{room}", params=params).status_code == 403


def test_a_ticket_lives_for_30_seconds_and_redis_holds_its_hash_only(sse: Door) -> None:
    before = time.time()
    answer = sse.http.post("/sse/v1/tickets", headers=bearer(token())).json()
    (stored,) = sse.valkey.keys("rtai:ticket:*")
    try:
        assert 28_000 < sse.valkey.pttl(stored) <= 30_000
        assert answer["ticket"] not in str(stored) + str(sse.valkey.get(stored))
        assert answer["expires_at"] > time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(before))
    finally:
        sse.valkey.delete(stored)


def test_an_ended_ticket_is_refused(sse: Door, room: str) -> None:
    ticket = sse.ticket()
    (stored,) = sse.valkey.keys("rtai:ticket:*")
    sse.valkey.pexpire(stored, 1)
    wait_until(lambda: not sse.valkey.exists(stored), "the ticket has ended")

    assert sse.get(f"streams/{room}", params={"ticket": ticket}).status_code == 401


def test_a_ticket_ends_with_its_token(sse: Door) -> None:
    sse.ticket(exp=int(time.time()) + 5)
    (stored,) = sse.valkey.keys("rtai:ticket:*")

    assert sse.valkey.pttl(stored) <= 5_000
    sse.valkey.delete(stored)


def test_neither_tickets_nor_tokens_are_in_the_log_at_its_loudest(sse: Door, room: str) -> None:
    given, ticket = token("leaky"), sse.ticket()
    with sse.http.stream("GET", f"/sse/v1/streams/{room}?ticket={ticket}") as response:
        assert response.status_code == 200
    sse.get(f"streams/{room}", params={"ticket": ticket})
    sse.say(room, "a text that is nobody's business", given)

    log = sse.log.read_text()
    assert "at its loudest" in log
    assert not [each for each in (ticket, given, "nobody's business") if each in log]


@pytest.mark.parametrize(
    "given",
    ["", "nonsense", "a.b.c", token(site="elsewhere"), token()[:-3] + "abc", token(exp=1)],
    ids=["missing", "nonsense", "parts", "site", "signature", "expired"],
)
def test_a_token_that_does_not_count_is_a_401_everywhere(sse: Door, room: str, given: str) -> None:
    for answer in (
        sse.get(f"streams/{room}", headers=bearer(given)),
        sse.say(room, "hi", given),
        sse.http.post("/sse/v1/tickets", headers=bearer(given)),
    ):
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json()["code"] == "unauthorized"


def test_a_token_in_the_url_does_not_count(sse: Door, room: str) -> None:
    assert sse.get(f"streams/{room}", params={"token": token()}).status_code == 401
    assert sse.get(f"streams/{room}", params={"ticket": token()}).status_code == 401


def test_a_ticket_neither_sends_nor_makes_tickets(sse: Door, room: str) -> None:
    params = {"ticket": sse.ticket()}
    for path in (f"streams/{room}/messages", "tickets"):
        answer = sse.http.post(f"/sse/v1/{path}", params=params, json={"ref": "r", "text": "hi"})
        assert answer.status_code == 401


@pytest.mark.parametrize("name", ["nowhere", "a%2Fb", "%00", "room%0Aid: 1", "x" * 200, "%F0%9F"])
def test_a_stream_that_does_not_exist_is_a_404(sse: Door, name: str) -> None:
    answers = [sse.get(f"streams/{name}", headers=bearer(token())), sse.say(name, "hi")]

    assert [answer.status_code for answer in answers] == [404, 404]


def test_a_stream_that_is_not_granted_is_a_403(sse: Door, room: str) -> None:
    given = token(streams=("other",))
    answers = [sse.get(f"streams/{room}", headers=bearer(given)), sse.say(room, "hi", given)]

    assert [answer.status_code for answer in answers] == [403, 403]


@pytest.mark.parametrize(
    "id",
    ["x", ":", "e:", ":1", "e:-1", "e:1.5", "e:1e3", "e:" + "9" * 41, "e:1:", "e: 1",
     "e:" + "1" * 50, "x" * 65 + ":1", "é:1", "e:١"],
)  # fmt: skip
def test_a_malformed_position_is_a_400(sse: Door, room: str, id: str) -> None:
    for options in ({"headers": {"Last-Event-ID": id.encode()}}, {"params": {"last_event_id": id}}):
        headers = {**bearer(token()), **options.pop("headers", {})}
        answer = sse.get(f"streams/{room}", headers=headers, **options)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_frame")


@pytest.mark.parametrize(
    "query",
    ["recent=101", "recent=-1", "recent=x", "recent=", "recent=1&recent=2",
     "&".join(f"a{number}=1" for number in range(20))],
)  # fmt: skip
def test_a_malformed_query_is_a_400(sse: Door, room: str, query: str) -> None:
    answer = sse.get(f"streams/{room}?{query}", headers=bearer(token()))

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_frame")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"nonsense", 400),
        (b"[" * 50_000, 400),
        (b"[]", 400),
        (b"null", 400),
        (b"\xff\xfe\xfd", 400),
        (b"{}", 400),
        (b'{"ref": "r"}', 400),
        (b'{"ref": "", "text": "hi"}', 400),
        (b'{"ref": 7, "text": "hi"}', 400),
        (b'{"ref": "r", "text": ""}', 400),
        (b'{"ref": "r", "text": NaN}', 400),
        (b'{"ref": "r", "text": "\\ud800"}', 400),
        (b'{"ref": "r", "text": "\\u0000"}', 400),
        (json.dumps({"ref": "r" * 65, "text": "hi"}).encode(), 400),
        (json.dumps({"ref": "r", "text": "x" * 10_001}).encode(), 413),
        (b" " * 70_000 + b"{}", 413),
        (b"x" * 2_000_000, 413),
    ],
    ids=str,
)  # fmt: skip
def test_a_malformed_message_is_refused_and_not_stored(
    sse: Door, room: str, body: bytes, status: int
) -> None:
    path = f"/sse/v1/streams/{room}/messages"
    answer = sse.http.post(path, content=body, headers=bearer(token()))

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("count", [8_000, 10_000])
def test_a_text_of_emoji_is_as_long_as_any_other(sse: Door, room: str, count: int) -> None:
    body = json.dumps({"ref": "r", "text": "👋" * count}, ensure_ascii=False).encode()
    path = f"/sse/v1/streams/{room}/messages"
    answer = sse.http.post(path, content=body, headers=bearer(token()))

    assert answer.status_code == 202, answer.text
    sse.decide()


def test_a_rate_limit_says_when_to_come_back(sse: Door, room: str) -> None:
    sse.valkey.hset(keys.LIMITS, "user.messages", "1:60000:1")
    given = token("hasty")
    assert sse.say(room, "one", given, ref="r1").status_code == 202
    answer = sse.say(room, "two", given)
    same = sse.say(room, "one", given, ref="r1")
    sse.decide()

    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert 50 < int(answer.headers["retry-after"]) <= 60
    assert same.status_code == 202


@pytest.mark.parametrize(
    ("limit", "value"), [("user.open_connections", "1"), ("user.connections", "1:60000:1")]
)
def test_caps_on_connections_are_a_429(sse: Door, room: str, limit: str, value: str) -> None:
    sse.valkey.hset(keys.LIMITS, limit, value)
    given = token(f"eager-{limit}")
    sse.listen(room, given).hear("subscribed")
    answer = sse.get(f"streams/{room}", headers=bearer(given))

    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert int(answer.headers["retry-after"]) > 0


def test_making_tickets_is_limited_by_address(sse: Door) -> None:
    sse.valkey.hset(keys.LIMITS, "address.connections", "2:60000:2")
    answers = [sse.http.post("/sse/v1/tickets", headers=bearer(token())) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://example.org"])
def test_a_foreign_origin_is_a_403_and_may_not_read_it(sse: Door, room: str, origin: str) -> None:
    headers = {**bearer(token()), "Origin": origin}
    for answer in (
        sse.get(f"streams/{room}", headers=headers),
        sse.http.post("/sse/v1/tickets", headers=headers),
        sse.http.post(f"/sse/v1/streams/{room}/messages", headers=headers, json={}),
        sse.http.options("/sse/v1/tickets", headers=headers),
    ):
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", ["tickets", "streams/room", "streams/room/messages"])
def test_a_listed_origin_may_ask_and_read(sse: Door, path: str) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Origin": ORIGIN}
    preflight = sse.http.options(f"/sse/v1/{path}", headers=asked)
    refused = sse.http.get(f"/sse/v1/{path}", headers={"Origin": ORIGIN})

    assert preflight.status_code == 204
    assert "Authorization" in preflight.headers["access-control-allow-headers"]
    for answer in (preflight, refused):
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert answer.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in answer.headers


def test_a_listed_origin_gets_its_stream(sse: Door, room: str) -> None:
    events = sse.listen(room, headers={"Origin": ORIGIN})

    assert events.response.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "tickets", 405),
        ("HEAD", "streams/room", 405),
        ("POST", "streams/room", 405),
        ("GET", "streams/room/messages", 405),
        ("DELETE", "streams/room/messages", 405),
        ("GET", "", 404),
        ("GET", "streams/", 404),
        ("POST", "streams/room/messages/", 404),
    ],
)
def test_other_methods_and_paths_are_refused(
    sse: Door, method: str, path: str, status: int
) -> None:
    answer = sse.http.request(method, f"/sse/v1/{path}", headers=bearer(token()))

    assert answer.status_code == status
    assert ("allow" in answer.headers) == (status == 405)


def test_refused_clients_leave_nothing_behind(sse: Door, room: str) -> None:
    user = "nobody"
    answers: list[Any] = [
        sse.get("streams/nowhere", headers=bearer(token(user))),
        sse.get(f"streams/{room}?recent=x", headers=bearer(token(user))),
    ]

    assert {answer.status_code for answer in answers} == {404, 400}
    assert not sse.valkey.exists(keys.user_sessions("demo", user))
