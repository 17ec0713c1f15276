"""What training reads next is made in order, by this process or by others."""

import os
from itertools import count, islice

import pytest

from training.ahead import ahead


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_results_come_in_order_however_many_make_them(workers: int) -> None:
    offset = 7  # A worker knows what is around the function.

    def made(number: int) -> tuple[int, int]:
        return number * number + offset, os.getpid()

    found = list(islice(ahead(made, count(2), workers), 12))
    assert [each for each, _ in found] == [number * number + offset for number in range(2, 14)]
    assert (os.getpid() in {process for _, process in found}) == (workers == 0)


def test_it_ends_with_the_numbers() -> None:
    assert list(ahead(str, range(5), 2)) == ["0", "1", "2", "3", "4"]


def test_what_a_worker_raises_is_raised_here() -> None:
    with pytest.raises(ZeroDivisionError):
        list(ahead(lambda number: 1 // number, range(3), 1))
