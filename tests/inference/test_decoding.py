"""Continuous batching: who joins, who leaves, and in which slot whose cache lies."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.decoding import Answer, Batch, Request
from inference.decoding_thread import Scheduler
from inference.errors import ModelUnavailable, Overloaded
from inference.generator import Cancellation, Ended, Finish, Piece
from inference.growing_text import GrowingText

WAIT_S = 20
TABLE = [bytes([token]) for token in range(256)]
STOP = 0


class ListDecoder:
    """A decoder whose cache are lists: the next token is the sum of all before it.

    Reading a slot that holds something else than its sequence gives another sum.
    """

    def __init__(self, slots: int = 4, before: Callable[[], object] = lambda: None) -> None:
        self.slots = slots
        self.prefills: list[int] = []
        self.steps: list[int] = []
        self._cache: list[list[int]] = [[] for _ in range(slots)]
        self._before = before

    def prefill(self, slot: int, tokens: Sequence[int], start: int) -> int:
        self.prefills.append(len(tokens))
        self._cache[slot][start:] = tokens
        return self._next(slot)

    def step(self, tokens: Sequence[int], lengths: Sequence[int]) -> list[int]:
        self._before()
        self.steps.append(len(tokens))
        for slot, (token, length) in enumerate(zip(tokens, lengths, strict=True)):
            self._cache[slot][length - 1 :] = [token]
            assert len(self._cache[slot]) == length
        return [self._next(slot) for slot in range(len(tokens))]

    def move(self, source: int, target: int, length: int) -> None:
        assert len(self._cache[source]) == length
        self._cache[target] = self._cache[source][:length]
        self._cache[source] = [-1]

    def _next(self, slot: int) -> int:
        return ord("a") + sum(self._cache[slot]) % 26


def expected(tokens: Sequence[int], count: int) -> str:
    """What ListDecoder says to a prompt, alone."""
    found = list(tokens)
    for _ in range(count):
        found.append(ord("a") + sum(found) % 26)
    return bytes(found[len(tokens) :]).decode()


def request(
    tokens: Sequence[int] = (1, 2, 3),
    max_tokens: int = 5,
    stops: Sequence[str] = (),
    cancellation: Cancellation | None = None,
    choose: Callable[[int], int] = int,
) -> Request:
    text = GrowingText(TABLE, stops)
    return Request(tokens, choose, text, {STOP}, max_tokens, cancellation or Cancellation())


def text_of(found: Iterator[Piece | Ended]) -> str:
    return "".join(each.text for each in found if isinstance(each, Piece))


def run_to_end(batch: Batch, waiting: deque[Answer]) -> None:
    while batch.answers or waiting:
        batch.advance(waiting)


def scheduler(decoder: ListDecoder, **options: int) -> Scheduler:
    return Scheduler(decoder, lambda: decoder, **{"max_waiting": 4, **options})


@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(1, 200), min_size=1, max_size=40),
            st.integers(1, 12),
            st.integers(0, 10),
        ),
        min_size=1,
        max_size=12,
    ),
    st.integers(1, 4),
    st.integers(1, 50),
)
def test_an_answer_is_the_same_whoever_joins_and_leaves_beside_it(
    plans: list[tuple[list[int], int, int]], slots: int, prefill_tokens: int
) -> None:
    batch = Batch(ListDecoder(slots), prefill_tokens)
    answers = [(Answer(request(tokens, count)), begin) for tokens, count, begin in plans]
    waiting: deque[Answer] = deque()

    for number in range(11):
        waiting += [answer for answer, begin in answers if begin == number]
        batch.advance(waiting)
    run_to_end(batch, waiting)

    for (tokens, count, _), (answer, _) in zip(plans, answers, strict=True):
        assert text_of(answer.pieces()) == expected(tokens, count)


def test_a_long_prompt_is_read_in_parts_while_others_go_on() -> None:
    decoder = ListDecoder()
    batch = Batch(decoder, prefill_tokens=64)
    waiting = deque([Answer(request(max_tokens=50))])
    batch.advance(waiting)

    waiting.append(Answer(request([1] * 200)))
    for _ in range(4):
        batch.advance(waiting)

    assert decoder.prefills == [3, 64, 64, 64, 8]
    assert decoder.steps == [1, 1, 1, 1, 2]


def test_short_prompts_join_together_within_the_same_budget() -> None:
    decoder = ListDecoder()
    batch = Batch(decoder, prefill_tokens=7)
    waiting = deque(Answer(request()) for _ in range(4))

    batch.advance(waiting)

    assert decoder.prefills == [3, 3]
    assert decoder.steps == [2]


def test_a_prompt_is_cut_at_the_same_places_whoever_joins_beside_it() -> None:
    decoder = ListDecoder()
    batch = Batch(decoder, prefill_tokens=7)
    waiting = deque([Answer(request()), Answer(request([1] * 10)), Answer(request([1] * 9))])

    run_to_end(batch, waiting)

    assert decoder.prefills == [3, 7, 3, 7, 2]


def test_a_cancelled_answer_leaves_before_the_next_step() -> None:
    decoder = ListDecoder()
    batch = Batch(decoder)
    cancellation = Cancellation()
    gone = Answer(request(max_tokens=50, cancellation=cancellation))
    stays = Answer(request([5], max_tokens=50))
    waiting = deque([gone, stays])
    batch.advance(waiting)

    cancellation.cancel()
    batch.advance(waiting)

    assert decoder.steps == [2, 1]
    assert not any(isinstance(each, Ended) for each in gone.pieces())
    run_to_end(batch, waiting)
    assert text_of(stays.pieces()) == expected([5], 50)


def test_a_reader_that_leaves_takes_its_answer_along() -> None:
    decoder = ListDecoder()
    batch = Batch(decoder)
    answer = Answer(request(max_tokens=50))
    waiting = deque([answer])
    batch.advance(waiting)

    pieces = answer.pieces()
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    batch.advance(waiting)

    assert batch.answers == []
    assert decoder.steps == [1]


def test_an_answer_cancelled_while_its_prompt_is_read_leaves_its_slot_to_the_next() -> None:
    decoder = ListDecoder(slots=1)
    batch = Batch(decoder, prefill_tokens=4)
    cancellation = Cancellation()
    waiting = deque([Answer(request([9] * 10, cancellation=cancellation)), Answer(request([5]))])
    batch.advance(waiting)
    second = waiting[0]

    cancellation.cancel()
    run_to_end(batch, waiting)

    assert decoder.prefills == [4, 1]
    assert text_of(second.pieces()) == expected([5], 5)


@pytest.mark.parametrize(
    ("made", "text", "finish", "count"),
    [
        pytest.param(request(), expected([1, 2, 3], 5), Finish.LENGTH, 5, id="max_tokens"),
        pytest.param(request(choose=lambda _: STOP), "", Finish.STOP, 0, id="stop token"),
        pytest.param(
            request(max_tokens=9, stops=[expected([1, 2, 3], 4)[2:]]),
            expected([1, 2, 3], 2),
            Finish.STOP,
            4,
            id="stop sequence",
        ),
    ],
)
def test_an_answer_ends_and_says_why(made: Request, text: str, finish: Finish, count: int) -> None:
    answer = Answer(made)
    run_to_end(Batch(ListDecoder()), deque([answer]))

    pieces = list(answer.pieces())

    assert text_of(iter(pieces)) == text
    assert pieces[-1] == Ended(finish, prompt_tokens=3, completion_tokens=count)


def test_an_answer_whose_token_cannot_be_chosen_fails_alone() -> None:
    def fail(row: int) -> int:
        raise ModelUnavailable("not a number")

    batch = Batch(ListDecoder())
    bad, good = Answer(request(choose=fail)), Answer(request())
    run_to_end(batch, deque([bad, good]))

    with pytest.raises(ModelUnavailable, match="not a number"):
        list(bad.pieces())
    assert text_of(good.pieces()) == expected([1, 2, 3], 5)


def test_many_threads_get_each_their_own_answer() -> None:
    decoding = scheduler(ListDecoder(), max_waiting=40)
    prompts = [[number, number + 1] for number in range(1, 41)]

    with ThreadPoolExecutor(40) as pool:
        texts = list(pool.map(lambda tokens: text_of(decoding.write(request(tokens, 30))), prompts))

    assert texts == [expected(tokens, 30) for tokens in prompts]


def test_requests_that_find_no_place_to_wait_are_refused() -> None:
    go_on = threading.Event()
    decoder = ListDecoder(slots=1, before=lambda: go_on.wait(WAIT_S))
    decoding = scheduler(decoder, max_waiting=1)
    first, second = decoding.write(request()), decoding.write(request([5]))

    with ThreadPoolExecutor(2) as pool:
        next(first)
        waits = pool.submit(text_of, second)
        while decoding.waiting < 1:
            threading.Event().wait(0.001)
        with pytest.raises(Overloaded) as caught:
            next(decoding.write(request()))
        go_on.set()
        assert waits.result(WAIT_S) == expected([5], 5)

    assert caught.value.retry_after_ms == 1_000
    assert text_of(first) == expected([1, 2, 3], 5)[1:]


def test_one_that_waits_leaves_when_it_is_cancelled() -> None:
    steps = threading.Semaphore(0)
    decoder = ListDecoder(slots=1, before=lambda: steps.acquire(timeout=WAIT_S))
    decoding = scheduler(decoder)
    cancellation = Cancellation()
    running = decoding.write(request(max_tokens=50))
    next(running)

    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(list, decoding.write(request(cancellation=cancellation)))
        while decoding.waiting < 1:
            threading.Event().wait(0.001)
        cancellation.cancel()
        steps.release(2)
        assert waits.result(WAIT_S) == []
    steps.release(50)
    assert len(text_of(running)) == 49


def test_a_decoder_that_fails_takes_its_answers_along_and_is_replaced(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> None:
        raise MemoryError("no more")

    broken, fresh = ListDecoder(before=fail), ListDecoder()
    decoding = Scheduler(broken, lambda: fresh, max_waiting=4)

    with pytest.raises(ModelUnavailable, match="MemoryError: no more"):
        list(decoding.write(request()))

    assert text_of(decoding.write(request())) == expected([1, 2, 3], 5)
    assert "The decoder failed" in caplog.text


def test_where_no_decoder_can_be_opened_requests_fail_until_one_can(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> None:
        raise MemoryError("no more")

    openings: list[ListDecoder | None] = [None, ListDecoder()]

    def reopen() -> ListDecoder:
        if (opened := openings.pop(0)) is None:
            raise OSError("gone")
        return opened

    decoding = Scheduler(ListDecoder(before=fail), reopen, max_waiting=4)

    for reason in ("MemoryError", "OSError: gone"):
        with pytest.raises(ModelUnavailable, match=reason):
            list(decoding.write(request()))
    assert text_of(decoding.write(request())) == expected([1, 2, 3], 5)


def test_the_thread_ends_when_nothing_is_to_do_and_comes_back() -> None:
    decoding = Scheduler(ListDecoder(), ListDecoder, max_waiting=1, idle_s=0.0)

    for _ in range(3):
        assert text_of(decoding.write(request())) == expected([1, 2, 3], 5)
        while decoding.running:
            threading.Event().wait(0.001)
