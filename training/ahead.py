"""Makes what training reads next in processes beside it, so that a GPU does not wait for it."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Made = TypeVar("Made")


def ahead(make: Callable[[int], Made], numbers: Iterable[int], workers: int) -> Iterator[Made]:
    """`make(number)` for each number, in order, by so many processes that fork from this one.

    At most twice as many results wait as there are workers; with none, each is made when it is
    asked for. Processes fork when the first result is asked for; `make` may not use CUDA.
    """
    if workers == 0:
        yield from map(make, numbers)
        return
    with multiprocessing.get_context("fork").Pool(workers, _begin, (make,)) as pool:
        source, waiting = iter(numbers), deque()  # type: ignore[var-annotated]
        while True:
            while len(waiting) < 2 * workers and (number := next(source, None)) is not None:
                waiting.append(pool.apply_async(_make, (number,)))
            if not waiting:
                return
            yield waiting.popleft().get()


_makers: list[Callable[[int], object]] = []
"""In a worker, the one function that it calls: functions within functions can't be sent to it."""


def _begin(make: Callable[[int], object]) -> None:
    _makers[:] = [make]


def _make(number: int) -> object:
    return _makers[0](number)
