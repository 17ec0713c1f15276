"""Moderators decide otherwise in the admin."""

import json

import pytest
import redis
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from policy import verdict_lists_db
from policy.models import ReviewRecord, VerdictRecord
from policy.records_db import RecordWriter
from streams import keys
from tests.policy.records import a_held_record

pytestmark = [pytest.mark.django_db, pytest.mark.database]
PAGE = "/admin/policy/verdictrecord/"


@pytest.fixture
def held() -> VerdictRecord:
    return a_held_record("<b>Hm.</b>")


def a_person(*permissions: str) -> Client:
    person = User.objects.create_user("mo", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(person)
    return client


def decide(client: Client, action: str, record: VerdictRecord) -> str:
    form = {"action": action, "_selected_action": [record.pk]}
    return client.post(PAGE, form, follow=True).content.decode()


def frames(valkey: redis.Redis) -> list[dict[str, object]]:
    rows = valkey.zrange(keys.history("demo", "lobby"), 0, -1)
    return [json.loads(str(row).partition("|")[2].split("\n")[0]) for row in rows]


def test_an_approved_message_appears_and_can_be_taken_back(
    valkey: redis.Redis, held: VerdictRecord
) -> None:
    moderator = a_person("view_verdictrecord", "add_reviewrecord")

    assert "1 decided: allow." in decide(moderator, "approve", held)
    assert [frame["type"] for frame in frames(valkey)] == ["message"]
    RecordWriter(valkey, "w").write_once(block_ms=10)
    held.refresh_from_db()
    assert (held.action, held.by, held.offset) == ("allow", "moderator", 1)

    assert "1 decided: block." in decide(moderator, "block", held)
    assert [frame["type"] for frame in frames(valkey)] == ["removed", "removed"]
    assert ReviewRecord.objects.count() == 2


def test_what_was_said_in_private_is_shown_and_left_as_it_is(
    valkey: redis.Redis, held: VerdictRecord
) -> None:
    private = a_held_record("Where is the key?", stream="", id="1" * 32)
    moderator = a_person("view_verdictrecord", "add_reviewrecord")

    for query, shown in (("", 2), ("?place=private", 1), ("?place=streams", 1), ("?place=x", 2)):
        page = moderator.get(PAGE + query).content.decode()
        assert page.count('class="action-select"') == shown
        assert ("demo, private" in page) is (query != "?place=streams")
    assert "Where is the key?" in moderator.get(f"{PAGE}{private.pk}/change/").content.decode()

    said = decide(moderator, "approve", private)
    assert "0 decided: allow." in said
    assert "1 left as they are" in said
    assert valkey.keys("*") == []
    assert not ReviewRecord.objects.exists()


def test_the_list_is_narrowed_down_by_site_and_stream_without_reading_it_all(
    held: VerdictRecord,
) -> None:
    for site, stream in (("demo", "lobby"), ("demo", "news"), ("shop", "till"), ("shop", "")):
        row = a_held_record(f"Said in {site}, {stream or 'private'}.")
        VerdictRecord.objects.filter(pk=row.pk).update(site=site, stream=stream)
    moderator = a_person("view_verdictrecord")
    with CaptureQueriesContext(connection) as asked:
        everything = moderator.get(PAGE).content.decode()
        queries = [each["sql"] for each in asked.captured_queries]
    page = moderator.get(PAGE, {"site": "demo", "stream": "news"}).content.decode()

    assert [each for each in queries if "policy_verdictrecord" in each]
    assert not [each for each in queries if "DISTINCT" in each]
    assert "?site=demo" in everything
    assert "?site=shop" in everything
    assert "stream=till" not in everything
    assert "Said in demo, news." in page
    assert "Said in demo, lobby." not in page
    assert "stream=till" not in page


def test_the_list_is_narrowed_down_by_who_decided(held: VerdictRecord) -> None:
    row = a_held_record("A person saw this.")
    VerdictRecord.objects.filter(pk=row.pk).update(by="moderator")
    moderator = a_person("view_verdictrecord")
    for query in ("", "?by=policy", "?by=moderator"):
        page = moderator.get(PAGE + query).content.decode()
        assert ("Hm." in page) is (query != "?by=moderator")
        assert ("A person saw this." in page) is (query != "?by=policy")
        assert "?by=policy" in page
        assert "?by=moderator" in page


def test_only_the_latest_rows_are_counted(
    held: VerdictRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        a_held_record(f"Number {number}.")
    monkeypatch.setattr(verdict_lists_db, "COUNTED", 2)
    page = a_person("view_verdictrecord").get(PAGE).content.decode()

    assert "2 verdicts" in page


def test_who_may_only_look_decides_nothing(valkey: redis.Redis, held: VerdictRecord) -> None:
    decide(a_person("view_verdictrecord"), "approve", held)

    assert frames(valkey) == []
    assert not ReviewRecord.objects.exists()


def test_the_words_behind_a_verdict_are_marked_in_its_text(held: VerdictRecord) -> None:
    held.text = "Go away <b>, idiot</b> & idiot's friend"
    held.highlights = [
        {"label": "insult", "start": 13, "end": 18, "weight": 0.62},
        {"label": "toxicity", "start": 13, "end": 18, "weight": 0.7},
        {"label": "<i>", "start": 8, "end": 11, "weight": 0.1},
    ]
    held.save()

    page = a_person("view_verdictrecord").get(f"{PAGE}{held.pk}/change/").content.decode()

    assert (
        'Go away <mark title="&lt;i&gt; 0.10">&lt;b&gt;</mark>, '
        '<mark title="toxicity 0.70, insult 0.62">idiot</mark>&lt;/b&gt; &amp; idiot&#x27;s friend'
    ) in page
    assert "<li><mark>idiot</mark> toxicity 0.70, insult 0.62</li>" in page
    assert "<b>" not in page


def test_the_passage_that_decided_is_told_with_its_words(held: VerdictRecord) -> None:
    held.text = "fine " * 240 + "<b>you idiot" + " fine" * 240
    held.reasons = [
        {"rule": "rude", "label": "insult", "score": 0.9, "passage": [1200, 1212]},
        {"rule": "undecided", "label": "manners"},
    ]
    held.save()

    page = a_person("view_verdictrecord").get(f"{PAGE}{held.pk}/change/").content.decode()

    assert (
        "<li>rude (insult 0.90)<details><summary>characters 1,201–1,212 decided</summary>"
        '<div class="said">&lt;b&gt;you idiot</div></details></li><li>undecided (manners)</li>'
    ) in page


def test_texts_are_escaped(held: VerdictRecord) -> None:
    page = a_person("view_verdictrecord").get(PAGE).content.decode()

    assert "&lt;b&gt;Hm.&lt;/b&gt;" in page
    assert "<b>Hm.</b>" not in page
