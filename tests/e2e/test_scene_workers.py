"""The HTTP door in several processes: they share an address, their counts are one, and each may die."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import BIN, Program, Start


@pytest.fixture(scope="module")
def several(start: Start) -> Program:
    """A program with three processes that answer HTTP."""
    program = start(PENSTOCK_WORKERS="3")
    _wait_for(lambda: _all_take_part(program, 3))
    return program


def _wait_for(true: object, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not true():  # type: ignore[operator] # a condition
        assert time.monotonic() < until
        time.sleep(0.1)


def _workers(program: Program) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(program.process.pid), "-f", "penstock.workers"], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def _connections(program: Program) -> list[int]:
    """Open connections at the program's HTTP port: of each of its processes."""
    port = f":{int(program.http.rpartition(':')[2]):04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    open_ = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(port) and row[3] == "01"}
    return [len(open_ & _files(pid)) for pid in (program.process.pid, *_workers(program))]


def _files(pid: int) -> set[str]:
    found = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(os.readlink(file))
    return found


def _all_take_part(program: Program, processes: int) -> bool:
    """Whether as many connections as there are processes are one of each."""
    with contextlib.ExitStack() as stack:
        for _ in range(processes):
            stack.enter_context(program.client()).get("/health/live")
        return _connections(program) == [1] * processes


def test_connections_are_dealt_evenly_and_those_that_ended_do_not_count(several: Program) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(several.client()) for _ in range(9)]
        for client in clients:
            client.get("/health/live")
        assert _connections(several) == [3, 3, 3]
        for client in clients[:4]:
            client.close()
        _wait_for(lambda: sum(_connections(several)) == 5)
        for _ in range(4):
            stack.enter_context(several.client()).get("/health/live")
        assert _connections(several) == [3, 3, 3]


def _create(program: Program, number: int) -> str:
    with program.client() as client:  # a connection of its own, dealt to one of the processes
        answer = client.post("/fhir/Basic", json={"resourceType": "Basic", "code": {"text": f"w{number}"}})
    assert answer.status_code == 201
    return str(answer.json()["id"])


def test_what_one_process_stored_every_process_serves_and_the_counts_are_one(several: Program) -> None:
    ids = [_create(several, number) for number in range(12)]
    for id_ in ids:
        with several.client() as client:
            assert client.get(f"/fhir/Basic/{id_}").status_code == 200
    with several.client() as client:
        text = client.get("/metrics").text
    assert re.search(r'penstock_http_requests_total\{method="POST",route="/fhir/\{type\}",status="201"\} 12\.0', text)


def test_a_worker_that_dies_is_replaced_and_nothing_stored_is_lost(several: Program) -> None:
    before = _workers(several)
    ids = [_create(several, number) for number in range(4)]
    os.kill(before[0], signal.SIGKILL)
    _wait_for(lambda: len({*_workers(several)} - {*before}) == 1 and _all_take_part(several, 3))
    for id_ in ids:
        with several.client() as client:
            assert client.get(f"/fhir/Basic/{id_}").status_code == 200
    assert before[0] not in _workers(several)


def test_another_program_cannot_slip_in_at_the_same_address(several: Program, tmp_path: Path) -> None:
    address = several.http.removeprefix("http://")
    tmp_path.chmod(0o755)
    command = [BIN, "up", "--roles", "api", "--http", address, "--data", tmp_path / "data"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=os.environ | {"PENSTOCK_WORKERS": "2"})
    assert done.returncode == 1
    assert "another program has it" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_the_program_however_it_ends(start: Start, number: int) -> None:
    program = start(PENSTOCK_WORKERS="2")
    _wait_for(lambda: _all_take_part(program, 2))
    [worker] = _workers(program)
    os.kill(program.process.pid, number)
    program.process.wait(timeout=30)
    _wait_for(lambda: not Path(f"/proc/{worker}").exists(), 15)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{program.http}/health/live")
