"""When batches leave, and what they hold."""

from hypothesis import given
from hypothesis import strategies as st

from inference.batching import MIN_WORK, Batcher, estimate_tokens, work


def a_batcher(items: int = 0, *, slots: int = 1, tokens: int = 10) -> Batcher[int]:
    batcher: Batcher[int] = Batcher()
    batcher.slots = slots
    for item in range(items):
        batcher.put(item, tokens)
    return batcher


def test_a_message_leaves_at_once_while_a_slot_is_free() -> None:
    batch = a_batcher(1).take(0)

    assert batch is not None
    assert batch.items == (0,)


def test_messages_gather_while_no_slot_is_free() -> None:
    batcher = a_batcher(1)
    first = batcher.take(0)
    assert first is not None
    for item in (1, 2, 3):
        batcher.put(item, 10)

    assert batcher.take(0) is None
    batcher.done(first.id)
    second = batcher.take(0)

    assert second is not None
    assert second.items == (1, 2, 3)


def test_a_large_batch_is_sent_ahead_and_no_more_than_one_for_each_slot() -> None:
    batcher = a_batcher(32 + 15)
    assert batcher.take(0) is not None
    assert batcher.take(0) is None

    batcher.put(99, 10)
    ahead = batcher.take(0)

    assert ahead is not None
    assert len(ahead.items) == 16
    for item in range(64):
        batcher.put(item, 10)
    assert batcher.take(0) is None


def test_what_is_sent_ahead_takes_the_place_of_the_batch_before_it() -> None:
    batcher = a_batcher(64)
    first, second = batcher.take(0), batcher.take(0)
    assert first is not None
    assert second is not None
    batcher.put(99, 10)
    batcher.done(first.id)
    assert batcher.take(0) is None

    batcher.done(second.id)
    assert batcher.take(0) is not None


def test_a_batch_holds_no_more_than_its_limit() -> None:
    batch = a_batcher(100).take(0)

    assert batch is not None
    assert len(batch.items) == 32


def test_long_texts_make_small_batches() -> None:
    batch = a_batcher(32, tokens=400).take(0)

    assert batch is not None
    assert len(batch.items) == 4


def test_one_huge_text_still_leaves() -> None:
    batch = a_batcher(1, tokens=100_000).take(0)

    assert batch is not None
    assert batch.items == (0,)


def test_a_slot_is_free_again_when_its_time_is_over() -> None:
    batcher = a_batcher(33)
    batcher.take(0)

    assert batcher.take(2.9) is None
    assert batcher.take(3.0) is not None


def test_done_for_an_unknown_batch_changes_nothing() -> None:
    batcher = a_batcher(33)
    batcher.take(0)
    batcher.done(99)

    assert batcher.take(0) is None


def test_a_batch_put_back_leaves_first_and_in_order() -> None:
    batcher = a_batcher(3)
    batch = batcher.take(0)
    assert batch is not None
    batcher.put(9, 10)
    batcher.put_back(batch, [10, 10, 10])

    again = batcher.take(0)

    assert again is not None
    assert again.items == (0, 1, 2, 9)


@given(st.lists(st.integers(1, 3_000), max_size=200), st.integers(1, 4))
def test_every_item_leaves_once_and_in_order(sizes: list[int], slots: int) -> None:
    batcher: Batcher[int] = Batcher()
    batcher.slots = slots
    for item, tokens in enumerate(sizes):
        batcher.put(item, tokens)

    left: list[int] = []
    while batch := batcher.take(0):
        left.extend(batch.items)
        batcher.done(batch.id)

    assert left == list(range(len(sizes)))


def test_an_estimate_grows_with_the_text() -> None:
    assert estimate_tokens("") == 3
    assert estimate_tokens("a" * 400) == 103
    assert estimate_tokens("👋" * 400) == 403


def test_live_messages_leave_before_the_backlog() -> None:
    batcher = a_batcher(0)
    for item in range(40):
        batcher.put(100 + item, 10, backlog=True)
    for item in range(40):
        batcher.put(item, 10)

    first, second = batcher.take(0), batcher.take(3)

    assert first is not None
    assert first.items == tuple(range(32))
    assert second is not None
    assert second.items == (*range(32, 40), *range(100, 124))


def test_the_backlog_moves_however_much_is_live() -> None:
    batcher = a_batcher(32 * 8)
    for item in range(64):
        batcher.put(1_000 + item, 10, backlog=True)

    left = []
    while batch := batcher.take(0):
        left.append(batch.items[0])
        batcher.done(batch.id)

    assert left == [0, 32, 64, 1_000, 96, 128, 160, 1_032, 192, 224]


@given(
    st.lists(st.tuples(st.integers(1, 3_000), st.booleans(), st.booleans()), max_size=200),
    st.integers(1, 4),
)
def test_what_is_not_stale_leaves_once_and_in_the_order_of_its_kind(
    sizes: list[tuple[int, bool, bool]], slots: int
) -> None:
    batcher: Batcher[int] = Batcher(is_stale=lambda item: sizes[item][2])
    batcher.slots = slots
    for item, (tokens, backlog, _) in enumerate(sizes):
        batcher.put(item, tokens, backlog=backlog)

    left: list[int] = []
    while batch := batcher.take(0):
        left.extend(batch.items)
        batcher.done(batch.id)

    fresh = [item for item, (_, _, stale) in enumerate(sizes) if not stale]
    assert sorted(left) == fresh
    assert batcher.dropped == len(sizes) - len(fresh)
    for kind in (True, False):
        of_kind = [item for item in left if sizes[item][1] is kind]
        assert of_kind == sorted(of_kind)
    assert len(batcher) == 0


def test_a_queue_of_stale_items_takes_no_slot() -> None:
    batcher: Batcher[int] = Batcher(is_stale=lambda item: item < 5)
    for item in range(5):
        batcher.put(item, 10)
    assert batcher.take(0) is None
    batcher.put(5, 10)

    batch = batcher.take(0)

    assert batch is not None
    assert batch.items == (5,)


def test_work_is_never_nothing_and_grows_with_the_text() -> None:
    assert work("") == MIN_WORK
    assert work("a" * 40) == MIN_WORK
    assert work("a" * 400) == 103
    assert work("👋" * 10_000) == 10_003
