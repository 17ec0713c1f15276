"""How far the Python client has read a stream."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rtai_client.places import Place, Step


def subscribed(epoch: str, offset: int, recovered: bool = False) -> dict[str, Any]:
    return {"type": "subscribed", "epoch": epoch, "offset": offset, "recovered": recovered}


def frame(offset: int, epoch: str = "e") -> dict[str, Any]:
    return {"type": "message", "epoch": epoch, "offset": offset}


def live(recent: int = 0, at: int = 5) -> Place:
    place = Place("lobby", recent)
    place.request()
    place.subscribed(subscribed("e", at))
    return place


def test_a_first_subscription_asks_for_recent_frames() -> None:
    assert Place("lobby", 20).request() == {"type": "subscribe", "stream": "lobby", "recent": 20}


def test_a_later_one_goes_on_behind_the_last_frame() -> None:
    place = live()
    place.take(frame(6))

    assert place.request()["since"] == {"epoch": "e", "offset": 6}
    assert not place.is_live


def test_without_a_frame_it_goes_on_where_it_began() -> None:
    assert live().request()["since"] == {"epoch": "e", "offset": 5}


def test_a_drop_before_the_first_recent_frame_loses_nothing() -> None:
    place = live(recent=3, at=9)

    assert place.request()["since"] == {"epoch": "e", "offset": 6}
    place.subscribed(subscribed("e", 20, recovered=True))
    assert place.take(frame(7)) is Step.NEXT
    assert place.take(frame(9)) is Step.GAP


def test_a_drop_before_the_first_frame_of_an_empty_stream_loses_nothing() -> None:
    assert live(recent=3, at=0).request()["since"] == {"epoch": "e", "offset": 0}


def test_recent_frames_come_before_the_position_and_are_taken() -> None:
    place = live(recent=3)

    assert [place.take(frame(offset)) for offset in (3, 4, 5, 6)] == [Step.NEXT] * 4


def test_what_was_seen_is_told_apart_from_what_lacks() -> None:
    place = live()
    place.take(frame(6))

    assert place.take(frame(6)) is Step.SEEN
    assert place.take(frame(8)) is Step.GAP
    assert place.request()["since"]["offset"] == 6


def test_a_gap_is_asked_for_once_and_then_accepted() -> None:
    place = live()
    place.take(frame(6))
    place.take(frame(9))
    place.request()
    place.subscribed(subscribed("e", 9, recovered=True))

    assert place.take(frame(9)) is Step.NEXT


def test_frames_lost_for_good_are_forgotten() -> None:
    place = live()
    place.request()

    assert not place.subscribed(subscribed("f", 2))
    assert place.request()["recent"] == 0
    assert place.subscribed(subscribed("f", 2))
    assert place.take(frame(3, "f")) is Step.NEXT


def test_a_new_epoch_is_a_gap() -> None:
    place = live()

    assert place.take(frame(1, "f")) is Step.GAP


def test_a_live_frame_between_a_gap_and_its_answer_loses_nothing() -> None:
    place = live()
    assert place.take(frame(6)) is Step.NEXT
    assert place.take(frame(9)) is Step.GAP
    place.request()

    assert place.take(frame(10)) is Step.SEEN
    place.subscribed(subscribed("e", 10, recovered=True))
    assert [place.take(frame(offset)) for offset in (7, 8, 9, 10, 11)] == [Step.NEXT] * 5


def test_frames_of_an_older_subscription_do_not_count_as_seen() -> None:
    place = Place("lobby", 3)
    place.request()

    assert place.take(frame(6)) is Step.SEEN
    place.subscribed(subscribed("e", 6))
    assert [place.take(frame(offset)) for offset in (4, 5, 6)] == [Step.NEXT] * 3


def test_recent_frames_of_an_earlier_epoch_are_taken() -> None:
    place = live(recent=4, at=6)
    found = [frame(3, "d"), frame(4, "d"), frame(5), frame(6), frame(7)]

    assert [place.take(each) for each in found] == [Step.NEXT] * 5
    assert place.request()["since"] == {"epoch": "e", "offset": 7}


def test_recent_frames_that_are_all_of_an_earlier_epoch_keep_the_answers_position() -> None:
    place = live(recent=4, at=4)
    place.take(frame(3, "d"))
    place.take(frame(4, "d"))

    assert place.take(frame(5)) is Step.NEXT
    assert place.request()["since"] == {"epoch": "e", "offset": 5}


def test_frames_of_a_new_epoch_are_asked_for_once() -> None:
    place = live()
    asked = 0
    for offset in range(6, 30):
        if place.take(frame(offset, "f")) is Step.GAP:
            asked += 1
            place.request()
            place.subscribed(subscribed("e", 5, recovered=True))

    assert asked == 1


@given(st.lists(st.tuples(st.integers(1, 30), st.sampled_from("def")), max_size=60))
def test_whatever_arrives_a_question_is_awaited_before_the_next(
    found: list[tuple[int, str]],
) -> None:
    place = live(recent=9, at=9)
    steps = [place.take(frame(offset, epoch)) for offset, epoch in found]
    place.request()
    waiting = [place.take(frame(offset, epoch)) for offset, epoch in found]

    assert Step.NEXT not in waiting
    assert Step.GAP not in waiting
    assert steps.count(Step.GAP) <= steps.count(Step.NEXT) + 1


@given(st.lists(st.integers(1, 30), max_size=60))
def test_whatever_arrives_offsets_that_are_passed_on_rise(offsets: list[int]) -> None:
    place = live(at=0)
    passed = [offset for offset in offsets if place.take(frame(offset)) is Step.NEXT]

    assert passed == sorted(set(passed))
