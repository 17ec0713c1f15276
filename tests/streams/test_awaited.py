from streams.awaited import MAX_SEEN, MAX_WAIT_MS, Awaited


def test_a_verdict_is_seen_once() -> None:
    awaited = Awaited()
    awaited.wait("1", 100)
    assert awaited.since == 100

    assert awaited.see("1", "allow")
    assert not awaited.see("1", "allow")
    assert awaited.since is None


def test_a_persons_later_decision_is_seen_too() -> None:
    awaited = Awaited()
    awaited.see("1", "hold")

    assert awaited.see("1", "allow by moderator")


def test_what_never_comes_is_forgotten() -> None:
    awaited = Awaited()
    awaited.wait("1", 100)
    awaited.wait("2", 200)
    awaited.forget(MAX_WAIT_MS + 150)
    assert awaited.since == 200

    awaited.forget(MAX_WAIT_MS + 300)
    assert awaited.since is None


def test_only_the_last_verdicts_are_remembered() -> None:
    awaited = Awaited()
    for number in range(MAX_SEEN + 1):
        awaited.see(str(number), "allow")

    assert awaited.see("0", "allow")
    assert not awaited.see(str(MAX_SEEN), "allow")
