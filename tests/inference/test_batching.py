"""How much of the models' time a text takes."""

from inference.batching import MIN_WORK, estimate_tokens, work


def test_an_estimate_grows_with_the_text() -> None:
    assert estimate_tokens("") == 3
    assert estimate_tokens("a" * 400) == 103
    assert estimate_tokens("👋" * 400) == 403


def test_work_is_never_nothing_and_grows_with_the_text() -> None:
    assert work("") == MIN_WORK
    assert work("a" * 40) == MIN_WORK
    assert work("a" * 400) == 103
    assert work("👋" * 10_000) == 10_003
