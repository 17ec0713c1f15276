"""What the widget's thread makes of frames."""

from typing import Any

import pytest
from playwright.sync_api import Page

AUTHOR = {"id": "ann", "name": "Ann", "kind": "user"}


class Thread:
    """A thread of Ann's."""

    def __init__(self, page: Page) -> None:
        self._page = page
        page.evaluate(
            "async () => { const { Thread } = await import('./thread.js');"
            "window.thread = new Thread(() => 'ann'); }"
        )

    def post(self, ref: str, text: str) -> None:
        """Ann writes."""
        self._page.evaluate(
            "([ref, text, author]) => thread.post(ref, text, author, 1)", [ref, text, AUTHOR]
        )

    def apply(self, *frames: dict[str, Any]) -> None:
        """The server says."""
        self._page.evaluate("(frames) => frames.forEach((each) => thread.apply(each))", frames)

    def shown(self) -> list[tuple[str, str]]:
        """Texts and statuses, in their order."""
        found = self._page.evaluate("thread.entries.map((each) => [each.text, each.status])")
        return [(text, status) for text, status in found]

    def first(self, field: str) -> Any:
        """A field of the first entry."""
        return self._page.evaluate("(field) => thread.entries[0][field]", field)


@pytest.fixture
def thread(lab: Page) -> Thread:
    return Thread(lab)


def accepted(ref: str, id: str) -> dict[str, Any]:
    return {"type": "accepted", "ref": ref, "id": id, "stream": "lobby"}


def verdict(ref: str, id: str, action: str, *rules: str, **more: Any) -> dict[str, Any]:
    reasons = [{"rule": rule} for rule in rules]
    return {"type": "verdict", "ref": ref, "id": id, "action": action, "reasons": reasons, **more}


def message(id: str, offset: int, text: str, author: str = "ann") -> dict[str, Any]:
    who = {**AUTHOR, "id": author}
    at = "2026-01-01T00:00:00.000Z"
    place = {"stream": "lobby", "epoch": "e", "offset": offset}
    return {"type": "message", **place, "id": id, "author": who, "text": text, "sent_at": at}


def test_ones_own_message_is_shown_once_whatever_comes_first(thread: Thread) -> None:
    thread.post("r1", "one")
    thread.apply(accepted("r1", "m1"), message("m1", 1, "one"), verdict("r1", "m1", "allow"))
    thread.post("r2", "two")
    thread.apply(message("m2", 2, "two"), accepted("r2", "m2"), verdict("r2", "m2", "allow"))
    thread.post("r3", "three")
    thread.apply(accepted("r3", "m3"), verdict("r3", "m3", "allow"), message("m3", 3, "three"))

    assert thread.shown() == [("one", "sent"), ("two", "sent"), ("three", "sent")]


@pytest.mark.parametrize(
    ("action", "status"), [("allow", "sent"), ("hold", "held"), ("block", "rejected")]
)
def test_a_verdict_decides_the_status(thread: Thread, action: str, status: str) -> None:
    thread.post("r1", "one")
    thread.apply(accepted("r1", "m1"), verdict("r1", "m1", action, "threats"))

    assert thread.shown() == [("one", status)]
    assert thread.first("rules") == ["threats"]


def test_a_moderator_may_let_a_held_message_through_or_not(thread: Thread) -> None:
    thread.post("r1", "one")
    thread.post("r2", "two")
    thread.apply(verdict("r1", "m1", "hold"), verdict("r2", "m2", "hold"))
    thread.apply(
        verdict("r1", "m1", "allow", by="moderator"),
        message("m1", 9, "one"),
        verdict("r2", "m2", "block", by="moderator"),
    )

    assert sorted(thread.shown()) == [("one", "sent"), ("two", "rejected")]


def test_a_refused_message_keeps_its_text_and_says_when_to_try_again(thread: Thread) -> None:
    thread.post("r1", "one")
    thread.apply({"type": "error", "ref": "r1", "code": "rate_limited", "retry_after_ms": 4_000})

    assert thread.shown() == [("one", "failed")]
    assert thread.first("error")["code"] == "rate_limited"
    assert thread.first("error")["retryAt"] > 4_000


def test_a_removed_message_is_forgotten(thread: Thread) -> None:
    thread.apply(message("m1", 1, "one", "bob"), message("m2", 2, "two", "bob"))
    thread.apply({"type": "removed", "stream": "lobby", "id": "m1", "by": "moderator"})

    assert thread.shown() == [("two", "sent")]


def test_published_messages_stand_in_the_streams_order(thread: Thread) -> None:
    thread.post("r1", "mine")
    thread.apply(accepted("r1", "m2"), message("m1", 1, "first", "bob"), message("m2", 2, "mine"))
    thread.apply(message("m4", 4, "fourth", "bob"), message("m3", 3, "third", "bob"))

    assert [text for text, _ in thread.shown()] == ["first", "mine", "third", "fourth"]


def test_a_message_on_its_way_stays_below_what_came_before_it(thread: Thread) -> None:
    thread.apply(message("m1", 1, "first", "bob"))
    thread.post("r1", "mine")
    thread.apply(message("m2", 2, "second", "bob"))

    assert [text for text, _ in thread.shown()] == ["first", "mine", "second"]


def test_a_reset_keeps_only_what_nobody_else_has(thread: Thread) -> None:
    thread.apply(message("m1", 1, "theirs", "bob"))
    for ref, action in (("r1", "allow"), ("r2", "hold"), ("r3", "block")):
        thread.post(ref, action)
        thread.apply(verdict(ref, f"m-{ref}", action))
    thread.post("r4", "pending")

    thread._page.evaluate("thread.reset()")

    assert [text for text, _ in thread.shown()] == ["hold", "block", "pending"]


def test_a_long_stream_keeps_its_last_messages(thread: Thread) -> None:
    thread.apply(*(message(f"m{n}", n, str(n), "bob") for n in range(1, 521)))

    assert len(thread.shown()) == 500
    assert thread.shown()[0][0] == "21"
