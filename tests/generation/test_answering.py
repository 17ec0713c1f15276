"""Answers that nobody asked for by frame."""

from unittest.mock import Mock

import pytest

from generation.answering import answer_to
from generation.apps import answer
from generation.asking import Composer
from inference.generator import Role, Turn
from tests.builders import a_message, a_verdict
from tests.generation.answers import NOW_MS, Book, Remembered, an_assistant


def test_a_message_is_answered_in_its_stream_for_its_author_under_one_ref() -> None:
    memory = Remembered(stream=[Turn(Role.USER, "It rains.")])
    composer = Composer(Book, memory, lambda: NOW_MS, lambda now: "id")
    message = a_message(text="@Assistant does it?", session="s1")

    generation, who = answer_to(message, composer)
    again, _ = answer_to(message, composer)

    assert (generation.stream, generation.owner) == ("lobby", message.author)
    assert generation.ref == again.ref == f"answer:{message.id}"
    assert len(generation.ref) <= 64
    assert generation.judged == 0
    assert [turn.content for turn in generation.turns[1:]] == ["It rains.", "does it?"]
    assert (who.user, who.session) == (message.author.id, "s1")


def test_a_message_that_no_worker_takes_in_time_is_not_answered_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = Mock()
    monkeypatch.setattr("celery.current_app", app)
    book = Book(an_assistant(wait_s=9))
    monkeypatch.setattr("generation.assistants_db.assistants", lambda: book)
    message = a_message(text="@Assistant does it?")

    answer([a_verdict(message=message)])

    app.send_task.assert_called_once_with(
        "generation.answer", (message.as_json(),), queue="generation", retry=False, expires=9
    )
