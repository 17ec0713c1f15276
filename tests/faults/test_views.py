"""The checker of the soak test notices what it is there to notice."""

from typing import Any

import pytest

from tests.faults.views import History, Kind, View, against, judged


def message(offset: int, epoch: str = "e", id: str = "") -> dict[str, Any]:
    return {"type": "message", "epoch": epoch, "offset": offset, "id": id or f"m{offset}"}


def subscribed(offset: int, *, recovered: bool, epoch: str = "e") -> dict[str, Any]:
    return {"type": "subscribed", "epoch": epoch, "offset": offset, "recovered": recovered}


def verdict(ref: str) -> dict[str, Any]:
    return {"type": "verdict", "ref": ref, "id": f"id-{ref}", "action": "allow"}


def a_history(count: int) -> History:
    history = History()
    for offset in range(1, count + 1):
        history.add(("e", offset), f"m{offset}")
    return history


@pytest.fixture
def view() -> View:
    found = View("Ada")
    found.take(subscribed(0, recovered=False))
    return found


def kinds(view: View, count: int) -> list[Kind]:
    return [fault.kind for fault in against(a_history(count), view)]


def test_a_client_that_heard_everything_has_no_fault(view: View) -> None:
    for offset in (1, 2):
        view.take(message(offset))
    view.take(subscribed(4, recovered=True))
    for offset in (3, 4):
        view.take(message(offset))

    assert kinds(view, 4) == []


def test_a_gap_in_the_offsets_is_noticed_with_its_size(view: View) -> None:
    view.take(message(1))
    view.take(message(4))

    (fault,) = against(a_history(4), view)
    assert (fault.kind, fault.count) == (Kind.LOST, 2)


def test_the_loss_of_the_last_frame_is_noticed(view: View) -> None:
    view.take(message(1))

    assert kinds(view, 2) == [Kind.LOST]


def test_a_gap_that_the_server_told_of_is_none(view: View) -> None:
    view.take(message(1))
    view.take(subscribed(3, recovered=False))
    view.take(message(4))

    assert kinds(view, 4) == []
    assert view.told == 1


def test_a_frame_that_comes_twice_is_noticed(view: View) -> None:
    for offset in (1, 2, 2):
        view.take(message(offset))

    assert kinds(view, 2) == [Kind.DOUBLED]


def test_a_frame_that_comes_late_is_noticed(view: View) -> None:
    for offset in (2, 1):
        view.take(message(offset))

    assert kinds(view, 2) == [Kind.LOST, Kind.REORDERED]


def test_a_message_published_at_two_places_is_noticed(view: View) -> None:
    history = History()
    for offset in (1, 2):
        history.add(("e", offset), "same")
        view.take(message(offset, id="same"))

    assert [fault.kind for fault in against(history, view)] == [Kind.DOUBLED]


def test_another_message_than_in_history_is_noticed(view: View) -> None:
    view.take(message(1, id="other"))

    assert kinds(view, 1) == [Kind.DIFFERENT]


def test_an_epoch_that_nobody_told_of_is_noticed(view: View) -> None:
    view.take(message(1))
    view.take(message(1, epoch="f"))

    assert Kind.DIFFERENT in kinds(view, 1)


def test_a_recovery_in_another_epoch_is_noticed(view: View) -> None:
    view.take(message(1))
    view.take(subscribed(1, recovered=True, epoch="f"))

    assert kinds(view, 1) == [Kind.DIFFERENT]


def test_a_verdict_that_comes_twice_on_a_connection_is_noticed(view: View) -> None:
    view.sent("a")
    view.take(verdict("a"))
    view.take(verdict("a"))

    assert [fault.kind for fault in view.faults] == [Kind.DOUBLED]


def test_a_verdict_may_come_again_on_the_next_connection(view: View) -> None:
    view.sent("a")
    view.take(verdict("a"))
    view.connected()
    view.take(verdict("a"))

    assert view.faults == []


def test_a_repeated_message_has_its_verdict_repeated(view: View) -> None:
    view.sent("a")
    view.connected()
    view.take(verdict("a"))
    view.sent("a")
    view.take(verdict("a"))
    assert view.faults == []

    view.take(verdict("a"))
    assert [fault.kind for fault in view.faults] == [Kind.DOUBLED]


@pytest.mark.parametrize(
    ("accepted", "verdicts", "kind"),
    [
        ({"a": "m1"}, {}, Kind.LOST),
        ({"a": "m1"}, {"m1": {"allow", "block"}}, Kind.DIFFERENT),
        ({"a": "m9"}, {"m9": {"allow"}}, Kind.LOST),
        ({"a": "m1"}, {"m1": {"block"}}, Kind.DIFFERENT),
    ],
    ids=["unjudged", "two verdicts", "allowed, not published", "published, not allowed"],
)
def test_what_became_of_a_message_is_checked(
    accepted: dict[str, str], verdicts: dict[str, set[str]], kind: Kind
) -> None:
    assert [fault.kind for fault in judged(a_history(1), accepted, verdicts)] == [kind]


def test_a_judged_and_published_message_has_no_fault() -> None:
    assert judged(a_history(1), {"a": "m1", "b": "m2"}, {"m1": {"allow"}, "m2": {"hold"}}) == []


def test_two_frames_at_one_place_are_noticed() -> None:
    history = a_history(1)

    with pytest.raises(ValueError, match="two frames"):
        history.add(("e", 1), "other")
