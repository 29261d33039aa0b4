"""The oracle at work: kill -9 at random moments and at named points; and proof that it can be red."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from penstock.db import connect
from penstock.samples.people import people
from penstock.samples.traffic import adt
from penstock.sending import send
from tests.chaos.harness import program, run_kills, run_points
from tests.chaos.oracle import Subscriber
from tests.chaos.plant import DEFECTS, POINTS, place

pytestmark = pytest.mark.timeout(600)


@pytest.mark.req("V2-02", "EV-02", "OB-10")
async def test_no_acknowledged_message_is_lost_or_doubled_over_random_kills(tmp_path: Path, database_url: str) -> None:
    verdict = await run_kills(tmp_path, database_url, kills=14, seed=1)
    print(verdict)
    assert verdict.faults == []
    assert verdict.in_flight >= 0.3 * verdict.kills, str(verdict)
    assert verdict.acked > 50


@pytest.mark.parametrize("point", POINTS)
def test_a_crash_point_is_in_the_program(point: str) -> None:
    """A point that was renamed away would look as if it had been reached: the program does not start."""
    module, path, _ = POINTS[point]
    place(module, path)


async def test_every_named_crash_point_is_reached_and_survived(tmp_path: Path, database_url: str) -> None:
    verdict, reached = await run_points(tmp_path, database_url, [(point, 3) for point in POINTS], seed=2)
    print(verdict)
    assert verdict.faults == []
    assert reached == set(POINTS)


@pytest.mark.parametrize("defect", DEFECTS)
async def test_a_planted_defect_is_caught(tmp_path: Path, database_url: str, defect: str) -> None:
    kills = 27 if defect == "double store" else 9  # it needs a message that was resent after a kill between its commit and its answer
    verdict = await run_kills(tmp_path, database_url, kills=kills, seed=3, defect=defect)
    print(verdict)
    assert any(DEFECTS[defect][1] in fault for fault in verdict.faults), set(verdict.faults)


async def test_a_message_that_ends_the_program_each_time_is_quarantined_and_the_others_go_on(tmp_path: Path, database_url: str) -> None:
    everyone = people(3)
    messages = [adt(person, f"{name}-1") for person, name in zip(everyone, ("FIRST", "DEADLY", "LAST"), strict=True)]
    subscriber = Subscriber()
    async with program(tmp_path, database_url, await subscriber.start()) as under_test:
        serves, deaths = await under_test.start(defect="deadly message"), 0
        await asyncio.to_thread(lambda: list(send(messages, f"mllp://127.0.0.1:{under_test.mllp}")))
        while (states := await _states(database_url)) != {"FIRST-1": "stored", "DEADLY-1": "quarantined", "LAST-1": "stored"}:
            await asyncio.sleep(0.1)
            if not serves or not under_test.alive():
                if serves:
                    await under_test.ended()
                deaths += 1
                assert deaths < 20, states
                serves = await under_test.start(defect="deadly message")
        assert deaths >= 10
    await subscriber.stop()


async def _states(database_url: str) -> dict[str, str]:
    database = await connect(database_url, size=1)
    async with database.connection() as tx:
        found = {row["control_id"]: row["state"] for row in await tx.fetch("select control_id, state from inbox")}
    await database.close()
    return found


@pytest.mark.soak
@pytest.mark.timeout(0)
async def test_two_thousand_kills(tmp_path: Path, database_url: str) -> None:
    verdict = await run_kills(tmp_path, database_url, kills=2000, seed=4)
    print(verdict)
    assert verdict.faults == []
    assert verdict.in_flight >= 0.3 * verdict.kills, str(verdict)
