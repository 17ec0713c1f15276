"""A model's text on its way to readers, and how long one waits for it."""

import threading
from typing import Any

import pytest
from django.core.validators import MaxValueValidator
from django.db.models import Field

from generation import pieces
from generation.assistants import Backend, ModelSettings
from generation.models import AssistantModelRecord
from generation.pieces import Gathered, Pieces
from generation.upstream_httpx import ATTEMPTS, MAX_PAUSE_S, Upstream
from inference.generator import Cancellation
from tests.generation.answers import a_generation
from tests.generation.scripted import Notes, Scripted, Step


class Impatient(Scripted):
    """One that has failed when it said nothing for a moment."""

    stall_s = 0.05


def gathered(monkeypatch: pytest.MonkeyPatch, model: Scripted) -> list[Gathered]:
    """All that comes of a model, of which one sees soon that it thinks."""
    monkeypatch.setattr(pieces, "REFUSAL_S", 0.01)
    cancellation = Cancellation()
    found = list(Pieces(model, a_generation(), cancellation, Notes()))
    cancellation.cancel()
    return found


@pytest.mark.parametrize("before", [[], ["Half a"]])
def test_a_model_that_says_nothing_for_its_time_has_failed(
    monkeypatch: pytest.MonkeyPatch, before: list[Step]
) -> None:
    found = gathered(monkeypatch, Impatient(*before, threading.Event(), "Late"))

    assert "".join(each.text for each in found) == "".join(map(str, before))
    assert str(found[-1].end) == "No word for 0 s."


def most(field: str) -> float:
    """What an operator may set at most."""
    found = AssistantModelRecord._meta.get_field(field)
    assert isinstance(found, Field)
    (limit,) = [each for each in found.validators if isinstance(each, MaxValueValidator)]
    return float(limit.limit_value)


def test_a_server_may_take_the_longest_time_that_can_be_set() -> None:
    connect_s, token_s = most("connect_timeout_s"), most("token_timeout_s")
    times: dict[str, Any] = {"connect_timeout_s": connect_s, "token_timeout_s": token_s}
    slowest = ModelSettings("far", Backend.OPENAI, **times)

    own_s = ATTEMPTS * (connect_s + token_s) + (ATTEMPTS - 1) * MAX_PAUSE_S

    assert Upstream(slowest).stall_s > own_s
