"""The oracle at work: kill -9 at random moments and at named points; and proof that it can be red."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.harness import run_kills, run_points
from tests.chaos.plant import DEFECTS, POINTS

pytestmark = pytest.mark.timeout(600)


@pytest.mark.req("V2-02", "EV-02", "OB-10")
async def test_no_acknowledged_message_is_lost_or_doubled_over_random_kills(tmp_path: Path, database_url: str) -> None:
    verdict = await run_kills(tmp_path, database_url, kills=20, seed=1)
    print(verdict)
    assert verdict.faults == []
    assert verdict.in_flight >= 0.3 * verdict.kills, str(verdict)
    assert verdict.acked > 50


async def test_every_named_crash_point_is_reached_and_survived(tmp_path: Path, database_url: str) -> None:
    verdict, reached = await run_points(tmp_path, database_url, [(point, 3) for point in POINTS], seed=2)
    print(verdict)
    assert verdict.faults == []
    assert reached == set(POINTS)


@pytest.mark.parametrize("defect", DEFECTS)
async def test_a_planted_defect_is_caught(tmp_path: Path, database_url: str, defect: str) -> None:
    verdict = await run_kills(tmp_path, database_url, kills=12, seed=3, defect=defect)
    print(verdict)
    assert verdict.faults


@pytest.mark.soak
@pytest.mark.timeout(0)
async def test_two_thousand_kills(tmp_path: Path, database_url: str) -> None:
    verdict = await run_kills(tmp_path, database_url, kills=2000, seed=4)
    print(verdict)
    assert verdict.faults == []
    assert verdict.in_flight >= 0.3 * verdict.kills, str(verdict)
