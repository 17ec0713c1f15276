import asyncio

import pytest

from streams.readiness import FRESH_S, RETRY_S, Answer, Readiness
from tests.streams.fakes import FakeClock, turns


class Case:
    def __init__(self, timeout_s: float = 5) -> None:
        self.clock = FakeClock()
        self.probes: list[str] = []
        self.failure: OSError | None = None
        self.readiness = Readiness(self._send, self.clock, timeout_s)

    async def _send(self, probe: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.probes.append(probe)

    async def answered(self, *, ok: bool = True, detail: str = "") -> Answer:
        asking = asyncio.create_task(self.readiness.answer())
        await turns()
        if self.probes:
            self.readiness.done(self.probes[-1], ok, detail)
        return await asking


async def test_a_probe_that_comes_back_means_ready_for_ten_seconds() -> None:
    case = Case()
    assert await case.answered() == Answer(True)

    case.clock.now += FRESH_S - 1
    assert await case.readiness.answer() == Answer(True)
    assert len(case.probes) == 1
    case.clock.now += 1
    await case.answered()
    assert len(case.probes) == 2


async def test_while_not_ready_it_asks_again_each_second() -> None:
    case = Case()
    found = await case.answered(ok=False, detail="moderation: not loaded")
    assert found == Answer(False, "The models cannot judge: moderation: not loaded")

    case.clock.now += RETRY_S
    assert await case.answered() == Answer(True)


async def test_a_process_that_hears_nothing_is_not_ready_whatever_a_probe_says() -> None:
    case, heard = Case(), True
    readiness = Readiness(case._send, case.clock, hears=lambda: heard)
    case.readiness = readiness
    assert await case.answered() == Answer(True)
    heard = False
    found = await readiness.answer()
    assert (found.ready, "joined again" in found.reason) == (False, True)
    heard = True
    assert await readiness.answer() == Answer(True)


async def test_callers_share_one_probe() -> None:
    case = Case()
    asking = [asyncio.create_task(case.readiness.answer()) for _ in range(10)]
    await turns()
    case.readiness.done(case.probes[0], True, "")

    assert await asyncio.gather(*asking) == [Answer(True)] * 10
    assert len(case.probes) == 1


async def test_a_probe_that_is_lost_says_so() -> None:
    case = Case(timeout_s=0.01)

    assert (await case.readiness.answer()).reason == "No worker answered within 0.01 s."


async def test_a_broker_that_is_away_says_so() -> None:
    case = Case()
    case.failure = ConnectionRefusedError("no")

    assert "no" in (await case.readiness.answer()).reason


@pytest.mark.parametrize("probe", ["unknown", ""])
async def test_foreign_and_late_probes_are_ignored(probe: str) -> None:
    Case().readiness.done(probe, True, "")


async def test_a_draining_process_is_not_ready() -> None:
    case = Case()
    await case.answered()
    case.readiness.draining = True

    assert await case.readiness.answer() == Answer(False, "Shutting down.")
