"""Hostile requests against the running program: whatever comes, an answer that is not our fault, in bounded time and memory."""

from __future__ import annotations

import asyncio
import lzma
import os
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as bounds

from penstock.settings import Settings
from penstock.workbench import mint_token
from tests.e2e.conftest import Program, program, start
from tests.fuzz.generate import Generator, examples_from
from tests.fuzz.shot import Seen, fire

__all__ = ["program", "start"]

SCOPE = "system/*.cruds admin/*.* events/*.* ingest/*.*"
SEED = int(os.environ.get("FUZZ_SEED", "20240229"))
#: Megabytes that all Python processes of the program may have together after a run.
MEMORY_MB = 900
_FEW = bounds(
    max_examples=3, deadline=None, database=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)  # fmt: skip


@pytest.fixture(scope="module")
def examples(data_sets: Path) -> list[dict[str, object]]:
    with lzma.open(data_sets / "fhir-examples" / "r4-4.0.1-examples.ndjson.xz", "rt", encoding="utf-8") as lines:
        return examples_from(iter(lines))


def run(program: Program, examples: list[dict[str, object]], count: int, seconds: float, seed: int = SEED) -> Seen:
    token = mint_token(Settings(data=program.data), client="fuzz", scope=SCOPE, lifetime=timedelta(hours=4))
    return asyncio.run(fire(program.http, token, Generator(seed, examples).shots(count), until=time.monotonic() + seconds))


def told(seen: Seen) -> str:
    """What happened, and one of each kind of answer that should not be."""
    kinds: Counter[str] = Counter()
    for (kind, _), number in seen.statuses.items():
        kinds[kind] += number
    lines = [f"{seen.total} requests {dict(kinds)}, {seen.closed} closed, slowest {seen.slowest:.2f} s"]
    lines += [f"{seconds:.2f} s {status} {shot.method} {shot.target[:1500]} {shot.body[:500]!r}" for seconds, status, shot in seen.slow]
    one_of_each = {(status, body[:300]): shot for shot, status, body in seen.wrong}
    for (status, body), shot in list(one_of_each.items())[:25]:
        lines.append(f"{status} {shot.kind} {shot.method} {shot.target[:300]!r} {str(shot.headers)[:200]} {shot.media} {shot.body[:600]!r}")
        lines.append(f"   -> {body!r}")
    return "\n".join(lines)


def memory_mb(pid: int) -> float:
    """What a process and the Python processes that it started hold, without what they share (proportional set size)."""
    total = 0.0
    for each in (pid, *_children(pid)):
        if "python" in os.readlink(f"/proc/{each}/exe"):
            rollup = Path(f"/proc/{each}/smaps_rollup").read_text()
            total += int(rollup.partition("\nPss:")[2].split()[0]) / 1024
    return total


def _children(pid: int) -> list[int]:
    found = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return found + [inner for each in found for inner in _children(each)]


def well(program: Program) -> None:
    """It serves as before."""
    with program.client() as client:
        assert client.get("/health/ready").status_code == 200
        assert client.put("/fhir/Patient/well", json={"resourceType": "Patient", "id": "well"}).is_success
        assert client.get("/fhir/Patient?_id=well").json()["entry"]


def test_no_request_is_answered_with_a_server_error(program: Program, examples: list[dict[str, object]]) -> None:
    seen = run(program, examples, 100_000, 10)
    assert not seen.wrong, told(seen)
    assert seen.total > 500 and seen.slowest < 15, told(seen)
    assert memory_mb(program.process.pid) < MEMORY_MB
    well(program)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_two_hundred_thousand_requests_and_no_server_error(program: Program, examples: list[dict[str, object]]) -> None:
    seen = run(program, examples, 200_000, 7000, SEED + 1)
    print(told(seen), f"{memory_mb(program.process.pid):.0f} MB")
    assert not seen.wrong, told(seen)
    assert seen.total + seen.closed == 200_000
    assert memory_mb(program.process.pid) < MEMORY_MB
    well(program)


def test_what_the_server_says_of_itself_is_tried_by_a_stranger(program: Program) -> None:
    """Schemathesis reads /openapi.json and tries every route with what it makes up: no answer is a server error."""
    token = mint_token(Settings(data=program.data), client="fuzz", scope=SCOPE, lifetime=timedelta(hours=1))
    schema = schemathesis.openapi.from_url(f"{program.http}/openapi.json")
    statuses: Counter[int] = Counter()
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path == "/events":  # it has no end
            continue

        @_FEW
        @given(operation.as_strategy())
        def one(case: schemathesis.Case) -> None:
            response = case.call(headers={"Authorization": f"Bearer {token}"}, timeout=30)
            statuses[response.status_code] += 1
            assert response.status_code < 500, (case.method, case.path, response.text[:500])

        one()
    assert statuses.total() > 60 and len(statuses) > 3
