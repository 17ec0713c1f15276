"""The widget's client alone: a fake server, and time in the test's hands."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.labs import WELCOME, Lab

MESSAGE = {"type": "message", "stream": "lobby", "epoch": "e"}
Start = Callable[..., Lab]


@pytest.fixture
def start(lab: Page) -> Start:
    return lambda **options: Lab(lab, **options)


@pytest.fixture
def live(start: Start) -> Lab:
    """A client that is connected and subscribed."""
    found = start()
    found.open()
    return found


def published(offset: int, epoch: str = "e") -> dict[str, Any]:
    return {**MESSAGE, "epoch": epoch, "offset": offset, "id": f"m{offset}"}


def offsets(lab: Lab) -> list[int]:
    return [each["offset"] for each in lab.frames("message")]


def test_states_follow_one_another(live: Lab) -> None:
    live.drop()
    live.do("client.close()")

    states = [state for state, _ in live.do("lab.states")]
    assert states == ["connecting", "open", "waiting", "closed"]


def test_the_token_travels_as_a_subprotocol_and_never_in_the_address(live: Lab) -> None:
    assert live.do("socket.protocols") == ["rtai.v1", "rtai.token.t1"]
    assert live.do("socket.url") == "ws://lab.test/ws/v1/"


@pytest.mark.parametrize("failures", [0, 1, 2, 5, 6, 40, 2000])
def test_the_delay_has_full_jitter_between_half_a_second_and_twenty(
    start: Start, failures: int
) -> None:
    lab = start()

    low, high = lab.do(
        "[lab.module.backoff(value, () => 0), lab.module.backoff(value, () => 0.999999)]", failures
    )

    assert low == 500
    assert high <= min(20_000, 500 * 2 ** min(failures, 20))
    assert high >= min(20_000, 500 * 2 ** min(failures, 20)) - 1


def test_failures_in_a_row_wait_longer_and_a_stable_connection_starts_anew(start: Start) -> None:
    lab = start(random=1)
    lab.open()
    delays = []
    for _ in range(3):
        lab.drop()
        delays.append(lab.do("lab.states.at(-1)[1].delay"))
        lab.pass_ms(delays[-1])
    lab.greet()
    lab.pass_ms(5_000)
    lab.drop()

    assert delays == [1_000, 2_000, 4_000]
    assert lab.do("lab.states.at(-1)[1].delay") == 1_000


def test_the_server_may_ask_for_patience(live: Lab) -> None:
    live.drop(4001, retry_after_ms=7_000)

    live.do("client.wake()")
    live.pass_ms(6_999)
    assert live.sockets == 1
    live.pass_ms(501)
    assert live.sockets == 2


@pytest.mark.parametrize(("random", "delay"), [(0, 7_000), (0.5, 7_250), (1, 7_500)])
def test_patience_that_the_server_asked_for_has_jitter_too(
    start: Start, random: float, delay: int
) -> None:
    lab = start(random=random)
    lab.open()

    lab.drop(4001, retry_after_ms=7_000)

    assert lab.do("lab.states.at(-1)[1].delay") == delay


COMES_BACK = [
    "window.dispatchEvent(new Event('online'))",
    "window.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))",
    "document.dispatchEvent(new Event('visibilitychange'))",
]


@pytest.mark.parametrize("event", COMES_BACK)
def test_it_reconnects_at_once_when_the_network_or_the_page_is_back(live: Lab, event: str) -> None:
    live.drop()
    live.do(event)
    assert live.sockets == 2

    live.do("client.close()")
    live.do(event)
    assert live.sockets == 2
    live.do("client.connect()")
    assert live.sockets == 3


def test_waking_up_reconnects_at_once(live: Lab) -> None:
    live.drop()

    live.do("client.wake()")

    assert live.sockets == 2


@pytest.mark.parametrize("code", [4501, 4503, 4504, 4999])
def test_final_codes_end_it(live: Lab, code: int) -> None:
    live.drop(code)
    live.pass_ms(60_000)

    assert (live.state, live.sockets) == ("closed", 1)
    assert live.do("lab.states.at(-1)[1].code") == code


def test_an_expired_token_is_replaced(live: Lab) -> None:
    live.drop(4005, retry_after_ms=0)
    live.pass_ms(1_000)

    assert live.do("lab.tokens") == [False, True]
    assert live.sockets == 2


def test_an_invalid_token_is_replaced_once(live: Lab) -> None:
    live.drop(4500)
    live.pass_ms(1_000)
    assert live.do("lab.tokens") == [False, True]

    live.drop(4500)
    live.pass_ms(60_000)

    assert (live.state, live.sockets) == ("closed", 2)


def test_after_two_refused_handshakes_the_token_is_suspect(start: Start) -> None:
    lab = start()
    lab.do("client.connect()")
    for _ in range(2):
        lab.drop()
        lab.pass_ms(2_000)

    assert lab.do("lab.tokens") == [False, False, True]


def test_a_refusal_of_the_token_is_final_or_not(start: Start) -> None:
    lab = start()
    lab.do("lab.answer = () => Promise.reject(Object.assign(new Error(), { retryAfterMs: 9_000 }))")
    lab.do("client.connect()")
    assert lab.do("lab.states.at(-1)[1].delay") == 9_250

    refuse = "Promise.reject(Object.assign(new Error('no'), { terminal: true, status: 403 }))"
    lab.do(f"lab.answer = () => {refuse}")
    lab.pass_ms(9_250)

    assert lab.do("lab.states.at(-1)") == ["closed", {"code": 403, "detail": "no"}]


@pytest.mark.parametrize("answer", [
    "() => Promise.reject()", "() => Promise.reject('no')", "async () => null",
    "async () => ({ token: 'not a subprotocol', expiresMs: 1 })", "() => { throw new Error('no') }",
])  # fmt: skip
def test_whatever_goes_wrong_before_a_connection_is_tried_again(start: Start, answer: str) -> None:
    lab = start()
    lab.do(f"(lab.usual = lab.answer, lab.answer = {answer}, undefined)")
    lab.do("client.connect()")
    assert lab.state == "waiting"

    lab.do("(lab.answer = lab.usual, undefined)")
    lab.pass_ms(1_000)
    lab.greet()
    assert lab.state == "open"


@pytest.mark.parametrize("answer", ["() => Promise.reject()", "async () => ({ token: 't' })"])
def test_a_refresh_that_goes_wrong_is_tried_again_and_not_at_once(
    start: Start, answer: str
) -> None:
    lab = start()
    lab.do("lab.answer = async () => ({ token: 't', expiresMs: Date.now() })")
    lab.open()
    lab.do(f"(lab.answer = {answer}, undefined)")
    for _ in range(3):
        lab.pass_ms(5_000)
        lab.say({"type": "ping"})

    assert 2 <= len(lab.do("lab.tokens")) <= 4


def test_the_token_is_refreshed_before_it_ends(live: Lab) -> None:
    live.pass_ms(1)
    for _ in range(28):
        live.pass_ms(20_000)
        live.say({"type": "ping"})

    assert live.sent("refresh") == [{"type": "refresh", "token": "t2"}]
    assert live.sockets == 1


def test_a_token_renewed_while_connecting_is_sent_once_it_is_open(start: Start) -> None:
    lab = start()
    lab.do("(client.subscribe('lobby'), client.connect(), client.renew())")
    assert lab.sent() == []
    lab.greet()
    assert lab.sent("refresh") == [{"type": "refresh", "token": "t2"}]

    lab.drop()
    lab.pass_ms(1_000)
    lab.greet()
    assert lab.sent("refresh") == []
    assert lab.do("lab.tokens") == [False, True, False]


def test_a_ping_is_answered(live: Lab) -> None:
    live.say({"type": "ping"})

    assert live.sent("pong") == [{"type": "pong"}]


def test_a_silent_connection_is_given_up(live: Lab) -> None:
    live.pass_ms(35_000)

    assert live.do("lab.sockets[0].closed") == 4000
    assert live.state in ("waiting", "connecting")


def test_a_connection_that_never_greets_is_given_up(start: Start) -> None:
    lab = start()
    lab.do("client.connect()")

    lab.pass_ms(10_000)

    assert lab.do("lab.sockets[0].closed") == 4000


def test_recovery_names_the_last_frame_that_was_seen(live: Lab) -> None:
    live.say(published(7), published(8))
    live.drop()
    live.pass_ms(1_000)
    live.say(WELCOME)

    assert live.sent("subscribe") == [
        {"type": "subscribe", "stream": "lobby", "since": {"epoch": "e", "offset": 8}}
    ]
    live.subscribed(recovered=True, offset=9)
    live.say(published(9))
    assert offsets(live) == [7, 8, 9]
    assert [each["reset"] for each in live.frames("subscribed")] == [True, False]


def test_a_lost_position_reloads_what_is_recent(live: Lab) -> None:
    live.say(published(7))
    live.drop()
    live.pass_ms(1_000)
    live.greet(recovered=False, offset=3, epoch="new")

    assert live.sent("subscribe")[-1] == {"type": "subscribe", "stream": "lobby", "recent": 50}
    live.subscribed(offset=3, epoch="new")
    live.say(published(2, "new"), published(3, "new"))
    assert offsets(live) == [7, 2, 3]
    assert live.frames("subscribed")[-1]["reset"] is True


def test_a_frame_seen_before_is_dropped(live: Lab) -> None:
    live.say(published(1), published(2), published(2), published(1), published(3))

    assert offsets(live) == [1, 2, 3]


def test_a_gap_is_asked_for_once(live: Lab) -> None:
    live.say(published(1), published(3))

    assert offsets(live) == [1]
    assert live.sent("subscribe")[-1]["since"] == {"epoch": "e", "offset": 1}
    live.subscribed(recovered=True, offset=3)
    live.say(published(3))
    assert offsets(live) == [1, 3]


def test_a_live_frame_between_a_gap_and_its_answer_loses_nothing(live: Lab) -> None:
    live.say(published(1), published(3), published(4))
    assert offsets(live) == [1]

    live.subscribed(recovered=True, offset=4)
    live.say(published(2), published(3), published(4), published(5))
    assert offsets(live) == [1, 2, 3, 4, 5]
    assert len(live.sent("subscribe")) == 2


def test_a_question_about_a_gap_without_an_answer_is_asked_again(live: Lab) -> None:
    live.say(published(1), published(3))
    live.pass_ms(10_000)

    since = {"epoch": "e", "offset": 1}
    assert [each.get("since") for each in live.sent("subscribe")] == [None, since, since]


def test_recent_frames_of_an_earlier_epoch_are_no_reason_to_ask(start: Start) -> None:
    lab = start()
    lab.do("(client.subscribe('lobby'), client.connect())")
    lab.greet(offset=6)
    lab.say(published(3, "d"), published(4, "d"), published(5), published(6), published(7))

    assert offsets(lab) == [3, 4, 5, 6, 7]
    assert len(lab.sent("subscribe")) == 1


def test_frames_of_a_new_epoch_are_asked_for_once(live: Lab) -> None:
    live.say(published(1))
    for offset in range(2, 30):
        live.say(published(offset, "f"))
    assert len(live.sent("subscribe")) == 2

    live.subscribed(recovered=False, offset=29, epoch="f")
    live.say(published(30, "f"))
    live.subscribed(offset=30, epoch="f")
    live.say(*(published(offset, "f") for offset in range(1, 32)))
    assert offsets(live) == [1, *range(1, 32)]
    assert len(live.sent("subscribe")) == 3


def test_a_gap_in_the_epoch_that_the_answer_does_not_see_is_asked_for_once(live: Lab) -> None:
    live.say(published(1), published(2, "f"))
    live.subscribed(recovered=True, offset=1)
    live.say(published(2, "f"), published(3, "f"), published(4, "f"))

    assert offsets(live) == [1, 2, 3, 4]
    assert len(live.sent("subscribe")) == 2


def test_a_message_waits_for_the_subscription_and_is_sent_again_until_it_is_judged(
    start: Start,
) -> None:
    lab = start()
    lab.do("client.subscribe('lobby')")
    lab.do("client.post('lobby', 'hello', 'r1')")
    lab.do("client.connect()")
    frame = {"type": "message", "stream": "lobby", "ref": "r1", "text": "hello"}
    lab.greet()
    assert lab.sent("message") == [frame]

    lab.say({"type": "accepted", "ref": "r1", "id": "m1", "stream": "lobby"})
    lab.drop()
    lab.pass_ms(1_000)
    lab.greet(recovered=True)
    assert lab.sent("message") == [frame]

    lab.say({"type": "verdict", "ref": "r1", "id": "m1", "action": "allow", "reasons": []})
    lab.drop()
    lab.pass_ms(2_000)
    lab.greet(recovered=True)
    assert lab.sent("message") == []


@pytest.mark.parametrize("answer", [
    {"type": "start", "ref": "r1", "id": "g1", "stream": "lobby", "model": "m", "user": "u"},
    {"type": "done", "ref": "r1", "id": "g1", "finish_reason": "cancelled", "usage": {}},
    {"type": "error", "ref": "r1", "code": "overloaded", "retryable": True},
])  # fmt: skip
def test_a_question_is_asked_again_until_its_answer_begins_or_ends(
    start: Start, answer: dict[str, Any]
) -> None:
    lab = start()
    lab.do("client.subscribe('lobby')")
    lab.do("client.ask('lobby', 'Who are you?', 'r1')")
    lab.do("client.connect()")
    turns = [{"role": "user", "content": "Who are you?"}]
    frame = {"type": "generate", "stream": "lobby", "ref": "r1", "messages": turns}
    for _ in range(2):
        lab.greet(recovered=True)
        assert lab.sent("generate") == [frame]
        lab.drop()
        lab.pass_ms(3_000)

    lab.greet(recovered=True)
    lab.say(answer)
    lab.drop()
    lab.pass_ms(6_000)
    lab.greet(recovered=True)
    assert lab.sent("generate") == []
    assert lab.frames(answer["type"]) == [answer]


@pytest.mark.parametrize("was_sent", [False, True])
def test_what_is_taken_back_is_not_sent_again(start: Start, was_sent: bool) -> None:
    lab = start()
    lab.do("client.subscribe('lobby')")
    lab.do("(client.ask('lobby', 'Who?', 'r1'), client.post('lobby', 'hello', 'r2'))")
    lab.do("client.connect()")
    if was_sent:
        lab.greet()
        lab.drop()
        lab.pass_ms(1_000)

    lab.do("client.withdraw('r1')")
    lab.greet(recovered=True)
    assert [each["ref"] for each in lab.sent() if "ref" in each] == ["r2"]


def test_what_cannot_be_cancelled_leaves_the_subscription_alone(live: Lab) -> None:
    live.say({"type": "error", "id": "g1", "code": "overloaded", "retryable": True})
    live.pass_ms(5_000)

    assert len(live.sent("subscribe")) == 1


def test_a_message_is_not_sent_again_once_the_server_may_have_forgotten_it(live: Lab) -> None:
    live.do("client.post('lobby', 'hello', 'r1')")
    live.drop(4001, retry_after_ms=280_000)
    live.pass_ms(280_500)
    live.greet(recovered=True)

    assert live.sent("message") == []
    assert [each["code"] for each in live.frames("error")] == ["unconfirmed"]


def test_an_error_takes_its_message_out(live: Lab) -> None:
    live.do("client.post('lobby', 'hello', 'r1')")
    live.say({"type": "error", "ref": "r1", "code": "rate_limited", "retry_after_ms": 3_000})
    live.drop()
    live.pass_ms(1_000)
    live.greet(recovered=True)

    assert live.sent("message") == []


def test_a_subscription_that_is_refused_for_now_is_asked_for_again(start: Start) -> None:
    lab = start()
    lab.do("(client.subscribe('lobby'), client.connect())")
    busy = {"type": "error", "code": "overloaded", "retryable": True, "retry_after_ms": 2_000}
    lab.say(WELCOME, busy)
    lab.pass_ms(1_999)
    assert len(lab.sent("subscribe")) == 1

    lab.pass_ms(1)
    assert len(lab.sent("subscribe")) == 2
    lab.subscribed()
    lab.pass_ms(20_000)
    assert len(lab.sent("subscribe")) == 2


def test_a_subscription_without_an_answer_is_asked_for_again(start: Start) -> None:
    lab = start()
    lab.do("(client.subscribe('lobby'), client.connect())")
    lab.say(WELCOME)

    lab.pass_ms(10_000)

    assert len(lab.sent("subscribe")) == 2


@pytest.mark.parametrize("random", [0, 0.5, 1])
def test_a_stream_that_was_switched_off_is_asked_for_until_it_is_back(
    start: Start, random: float
) -> None:
    lab = start(random=random)
    lab.open()
    lab.say(published(7), {"type": "unsubscribed", "stream": "lobby", "reason": "not_found"})
    lab.pass_ms(4_999)
    assert len(lab.sent("subscribe")) == 1

    lab.pass_ms(5_001)
    assert lab.sent("subscribe")[1:] == [
        {"type": "subscribe", "stream": "lobby", "since": {"epoch": "e", "offset": 7}}
    ]
    lab.say({"type": "error", "code": "not_found", "detail": "", "retryable": False})
    lab.pass_ms(10_000)
    assert len(lab.sent("subscribe")) == 3
    lab.subscribed(recovered=True, offset=8)
    lab.say(published(8))
    lab.pass_ms(20_000)
    assert len(lab.sent("subscribe")) == 3
    assert offsets(lab) == [7, 8]


def test_a_stream_that_was_left_is_not_asked_for(live: Lab) -> None:
    live.do("client.unsubscribe('lobby')")
    live.say({"type": "unsubscribed", "stream": "lobby"}, published(1))
    live.pass_ms(20_000)
    assert live.sent("unsubscribe") == [{"type": "unsubscribe", "stream": "lobby"}]
    assert len(live.sent("subscribe")) == 1
    assert live.frames("message") == []

    live.drop()
    live.pass_ms(20_000)
    live.say(WELCOME)
    live.do("client.unsubscribe('lobby')")
    assert live.sent() == []


def test_a_stream_that_the_server_took_leave_of_at_our_wish_is_not_asked_for(live: Lab) -> None:
    live.say({"type": "unsubscribed", "stream": "lobby"})
    live.pass_ms(20_000)

    assert len(live.sent("subscribe")) == 1


def test_a_stream_that_was_left_can_be_entered_again(live: Lab) -> None:
    live.do("(client.unsubscribe('lobby'), client.post('lobby', 'hello', 'r1'))")
    assert live.sent("message") == []
    live.do("client.subscribe('lobby')")
    live.subscribed()

    assert [each["ref"] for each in live.sent("message")] == ["r1"]


def test_what_was_written_while_the_stream_is_off_is_sent_when_it_is_back(live: Lab) -> None:
    live.say({"type": "unsubscribed", "stream": "lobby", "reason": "not_found"})
    live.do("client.post('lobby', 'hello', 'r1')")
    assert live.sent("message") == []

    live.pass_ms(10_000)
    live.subscribed()
    assert [each["ref"] for each in live.sent("message")] == ["r1"]


def test_events_of_an_old_connection_are_ignored(live: Lab) -> None:
    live.drop()
    live.do("lab.sockets[0].onclose({ code: 4503, reason: '' })")
    live.do('lab.sockets[0].onmessage({ data: \'{"type":"ping"}\' })')

    assert live.state == "waiting"
