from streams.pulse import BURST_S, HEARTBEAT_S, MAX_FRAMES_A_SECOND, PONG_S, Beat, Pulse


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_silence_is_pinged_and_then_given_up() -> None:
    clock = Clock()
    pulse = Pulse(clock)
    clock.now = HEARTBEAT_S - 0.1
    assert pulse.beat() is Beat.NOTHING
    clock.now = HEARTBEAT_S
    assert pulse.beat() is Beat.PING
    pulse.pinged()
    clock.now += PONG_S - 0.1
    assert pulse.beat() is Beat.NOTHING
    clock.now += 0.1
    assert pulse.beat() is Beat.DEAD


def test_any_frame_after_the_ping_counts_as_a_pong() -> None:
    clock = Clock()
    pulse = Pulse(clock)
    clock.now = HEARTBEAT_S
    assert pulse.beat() is Beat.PING
    pulse.pinged()
    clock.now += 1
    pulse.hear(1, 10)
    clock.now += PONG_S
    assert pulse.beat() is Beat.NOTHING
    clock.now = HEARTBEAT_S * 2
    assert pulse.beat() is Beat.PING


def test_a_flood_exceeds_the_budget_and_time_fills_it_again() -> None:
    clock = Clock()
    pulse = Pulse(clock)
    assert pulse.hear(MAX_FRAMES_A_SECOND * BURST_S, 0)
    assert not pulse.hear(1, 0)
    clock.now += 1
    assert pulse.hear(MAX_FRAMES_A_SECOND // 2, 0)


def test_large_frames_exceed_the_budget_of_bytes() -> None:
    pulse = Pulse(Clock())

    assert sum(pulse.hear(1, 64 * 1024) for _ in range(100)) == 64


def test_a_silent_client_is_pinged_after_25_seconds_and_given_up_8_seconds_later() -> None:
    clock, told = Clock(), dict[float, Beat]()
    pulse = Pulse(clock)
    for tenth in range(1, 400):
        clock.now = tenth / 10
        if (beat := pulse.beat()) is not Beat.NOTHING:
            told.setdefault(clock.now, beat)
        if beat is Beat.PING:
            pulse.pinged()

    assert list(told.items())[:2] == [(25.0, Beat.PING), (33.0, Beat.DEAD)]


def test_a_pong_is_not_due_before_the_ping_was_written() -> None:
    clock = Clock()
    pulse = Pulse(clock)
    clock.now = HEARTBEAT_S
    assert pulse.beat() is Beat.PING
    clock.now += PONG_S
    assert pulse.beat() is Beat.NOTHING

    pulse.pinged()
    clock.now += PONG_S
    assert pulse.beat() is Beat.DEAD
