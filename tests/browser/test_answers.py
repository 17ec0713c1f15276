"""What the widget's thread makes of an assistant's frames."""

from typing import Any

import pytest
from playwright.sync_api import Page

START = {"type": "start", "ref": None, "id": "g1", "stream": "lobby", "model": "m", "user": "ann"}
USAGE = {"prompt_tokens": 1, "completion_tokens": 1}


class Thread:
    """A thread of Ann's with answers in it."""

    def __init__(self, page: Page) -> None:
        self._page = page
        page.evaluate(
            "async () => { const { Thread } = await import('./thread.js');"
            "const { Answers } = await import('./answers.js');"
            "window.thread = new Thread(() => 'ann'); window.answers = new Answers(thread);"
            "answers.name = 'Helper'; }"
        )

    def ask(self, ref: str) -> None:
        """Ann asked."""
        self._page.evaluate("(ref) => void answers.ask(ref, 1)", ref)

    def apply(self, *frames: dict[str, Any]) -> None:
        """The server says."""
        self._page.evaluate(
            "(frames) => { for (const each of frames) answers.apply(each) || thread.apply(each); }",
            frames,
        )

    def sync(self, *running: tuple[str, str, str]) -> list[tuple[str, int]]:
        """The server says what is under way; ids and counts of what is to be resumed."""
        found = self._page.evaluate(
            "(running) => answers.sync(running).map((each) => [each.id, each.count])",
            [{"id": id, "user": user, "text": text} for id, user, text in running],
        )
        return [(id, count) for id, count in found]

    def shown(self) -> list[tuple[str, str]]:
        """Texts and statuses, in their order."""
        found = self._page.evaluate("thread.entries.map((each) => [each.text, each.status])")
        return [(text, status) for text, status in found]

    def first(self, field: str) -> Any:
        """A field of the first entry."""
        return self._page.evaluate("(field) => thread.entries[0][field]", field)

    def do(self, script: str) -> Any:
        """Runs JavaScript."""
        return self._page.evaluate(script)


@pytest.fixture
def thread(lab: Page) -> Thread:
    return Thread(lab)


def token(start: int, text: str) -> dict[str, Any]:
    return {"type": "token", "id": "g1", "from": start, "text": text}


def done(reason: str, ref: str = "") -> dict[str, Any]:
    named = {"ref": ref} if ref else {}
    return {"type": "done", "id": "g1", **named, "finish_reason": reason, "usage": USAGE}


def message(offset: int, text: str, id: str = "g1", author: str = "assistant") -> dict[str, Any]:
    return {
        "type": "message", "stream": "lobby", "epoch": "e", "offset": offset, "id": id,
        "author": {"id": author, "name": "Helper", "kind": "assistant"}, "text": text,
        "sent_at": "2026-01-01T00:00:00.000Z",
    }  # fmt: skip


def test_an_answer_grows_and_becomes_the_message(thread: Thread) -> None:
    thread.ask("r")
    assert thread.shown() == [("", "waiting")]
    thread.apply({**START, "ref": "r"}, token(0, "Hel"), token(3, "lo"))
    assert thread.shown() == [("Hello", "growing")]
    thread.apply(message(1, "Hello"), done("stop", "r"))

    assert thread.shown() == [("Hello", "sent")]
    assert (thread.first("key"), thread.first("offset")) == ("r", 1)


def test_pieces_are_counted_in_code_points_and_what_is_known_is_dropped(thread: Thread) -> None:
    thread.apply(START, token(0, "a😀"), token(1, "😀é"), token(3, "!"), token(9, "gap"))

    assert thread.shown() == [("a😀é!", "growing")]
    assert thread.sync() == [("g1", 4)]


@pytest.mark.parametrize(("user", "own"), [("ann", True), ("bob", False)])
def test_only_one_s_own_answer_can_be_stopped(thread: Thread, user: str, own: bool) -> None:
    thread.apply({**START, "user": user})

    assert thread.first("own") is own
    assert thread.first("author") == {"id": "assistant", "name": "Helper", "kind": "assistant"}


@pytest.mark.parametrize(("reason", "shown"), [
    ("stop", ("Hel", "sent")), ("length", ("Hel", "sent")), ("cancelled", ("Hel", "stopped")),
    ("interrupted", ("Hel", "broken")), ("blocked", ("", "erased")),
])  # fmt: skip
def test_every_end_has_its_look(thread: Thread, reason: str, shown: tuple[str, str]) -> None:
    thread.apply(START, token(0, "Hel"), done(reason))

    assert thread.shown() == [shown]


def test_a_blocked_answer_leaves_a_note_whichever_frame_comes_first(thread: Thread) -> None:
    removed = {"type": "removed", "stream": "lobby", "offset": 1, "epoch": "e", "id": "g1"}
    thread.apply(START, token(0, "vile"), removed, done("blocked"))

    assert thread.shown() == [("", "erased")]


def test_a_stopped_answer_stays_stopped_when_it_is_published(thread: Thread) -> None:
    thread.apply(START, token(0, "Hel"), done("cancelled"), message(1, "Hel"))

    assert thread.shown() == [("Hel", "stopped")]


def test_what_was_cancelled_before_it_began_is_gone(thread: Thread) -> None:
    thread.ask("r")
    thread.apply(done("cancelled", "r"))

    assert thread.shown() == []


@pytest.mark.parametrize("frame", [
    done("blocked", "r"), {"type": "error", "ref": "r", "code": "overloaded", "detail": ""},
])  # fmt: skip
def test_a_question_without_an_answer_says_so(thread: Thread, frame: dict[str, Any]) -> None:
    thread.ask("r")
    thread.apply(frame)

    assert thread.shown() == [("", "refused")]


def test_a_window_that_comes_late_has_the_text_so_far_and_goes_on(thread: Thread) -> None:
    assert thread.sync(("g1", "bob", "Hel")) == []
    thread.apply(token(3, "lo"))

    assert thread.shown() == [("Hello", "growing")]


def test_what_was_asked_and_runs_is_shown_once(thread: Thread) -> None:
    thread.ask("r")
    thread.sync(("g1", "ann", "Hel"))
    thread.apply({**START, "ref": "r"}, token(0, "Hello"))

    assert thread.shown() == [("Hello", "growing")]


def test_history_stands_before_an_answer_under_way_and_news_behind_it(thread: Thread) -> None:
    thread.do("void (thread.horizon = 2)")
    thread.sync(("g1", "bob", "Hel"))
    thread.apply(message(1, "one", "m1", "eve"), message(2, "two", "m2", "eve"))
    thread.apply(message(3, "three", "m3", "eve"))
    assert [text for text, _ in thread.shown()] == ["one", "two", "Hel", "three"]
    thread.apply(message(4, "Hello"))

    assert [text for text, _ in thread.shown()] == ["one", "two", "three", "Hello"]


def test_an_answer_whose_end_was_missed_is_resumed_or_forgotten(thread: Thread) -> None:
    thread.apply(START, token(0, "Hel"))
    assert thread.sync() == [("g1", 3)]
    thread.apply({"type": "error", "id": "g1", "code": "overloaded", "detail": ""})
    assert thread.shown() == [("Hel", "growing")]
    thread.apply({"type": "error", "id": "g1", "code": "not_found", "detail": ""})

    assert thread.shown() == []


def test_a_lost_history_leaves_what_waits_for_an_answer(thread: Thread) -> None:
    thread.ask("r")
    thread.apply({**START, "id": "g2"})
    thread.do("thread.reset()")

    assert thread.shown() == [("", "waiting")]
    assert thread.do("thread.unpublished().length") == 1
