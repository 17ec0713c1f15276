"""Fixtures of tests that want either server as a process."""

from collections.abc import Iterator

import pytest

from tests.rtai_project.echoes import Served, serve


@pytest.fixture(params=["daphne", "uvicorn"])
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    """The small application of `tests.rtai_project.echo`."""
    with serve(request.param) as found:
        yield found
