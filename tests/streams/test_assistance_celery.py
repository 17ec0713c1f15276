"""A gateway composes in its event loop what asks nobody, and the rest in threads."""

import threading
from collections.abc import Sequence

import pytest

from generation.assistants_db import Assistants
from generation.memory import Conversation
from generation.memory_redis import RedisMemory
from generation.store import Requester
from inference.generator import Turn
from policy.messages import Author
from streams.assistance_celery import LONG, Assistance
from tests.generation.answers import a_model, a_visitor, an_assistant, asked

ADA = Author("user-1", "Ada")


@pytest.mark.parametrize(
    ("question", "memory_tokens", "waits"),
    [("And?", 0, False), ("And?", 100, True), ("a" * (LONG + 1), 0, True)],
)
async def test_only_what_may_take_time_is_composed_in_a_thread(
    url: str, monkeypatch: pytest.MonkeyPatch, question: str, memory_tokens: int, waits: bool
) -> None:
    assistance = Assistance(url)
    models = {"chat-mini": a_model(context_tokens=100_000)}
    assistance._book = Assistants({"demo": an_assistant(memory_tokens=memory_tokens)}, {}, models)
    threads: list[threading.Thread] = []
    compose = assistance._composer.compose

    def watched(*given: object) -> object:
        threads.append(threading.current_thread())
        return compose(*given)  # type: ignore[arg-type]

    def nothing(memory: RedisMemory, conversation: Conversation) -> Sequence[Turn]:
        return []

    monkeypatch.setattr(RedisMemory, "of", nothing)
    monkeypatch.setattr(assistance._composer, "compose", watched)
    who: Requester = a_visitor()

    found = await assistance.compose(asked(question), who, ADA)

    assert found.turns[-1].content == question
    assert [each is not threading.main_thread() for each in threads] == [waits]
