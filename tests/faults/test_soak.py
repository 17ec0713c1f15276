"""`python -m benchmarks.soak` in short: everything is killed once, and nobody is misled."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.soak import CONNECTION, VICTIMS, soak
from tests.faults.conftest import unlimited
from tests.product import Product

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


@pytest.fixture(params=["daphne", "uvicorn"])
def product(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Product]:
    with unlimited(tmp_path / "var", RTAI_SERVER=request.param) as product:
        yield product


async def test_every_clients_view_is_the_servers_whatever_is_killed(product: Product) -> None:
    outcome = await soak(product, seconds=20, per_s=25, seed=1)

    assert outcome.faults == []
    assert outcome.sent == 500
    assert set(outcome.killed) >= {*VICTIMS, CONNECTION}
