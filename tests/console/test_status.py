"""What the dashboard sends while a part of it cannot be read."""

from console.status import Live, Ready, Status


def status(live: Live | None) -> Status:
    return Status(now_ms=0, live=live, recent=None, active=(), ready=Ready(None), failures=())


def test_the_sessions_of_all_sites_are_summed() -> None:
    live = Live(sessions={"a": 2, "b": 3}, pending=0, oldest_pending_ms=0, workers=())

    assert status(live).as_json()["connected"] == 5


def test_what_is_not_known_is_not_zero() -> None:
    live = Live(sessions=None, pending=1, oldest_pending_ms=0, workers=())

    assert status(live).as_json()["connected"] is None
    assert status(None).as_json()["connected"] is None
