"""The whole program, as a user starts it, stopped and killed under load from MLLP and REST: what was confirmed is there, once, and told."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.chaos.outside import Outside, alive, children, kill, outside, postmaster, until

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the killing needs /proc"),
    pytest.mark.timeout(180),
]

EXIT_S = 15.0
START_S = 10.0
RECOVER_S = 30.0


async def ready(under_test: Outside) -> bool:
    """Whether the program says that everything works."""
    async with httpx.AsyncClient(timeout=5) as client:
        return (await client.get(f"{under_test.program.http}/health/ready")).status_code == 200


@pytest.mark.req("V2-02")
async def test_sigterm_under_load_loses_nothing_and_the_next_start_goes_on(tmp_path: Path, start: Any) -> None:
    async with outside(tmp_path, start) as everyone:
        await everyone.start()
        await everyone.busy()
        database = postmaster(everyone.data)
        process = everyone.program.process
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(process.wait, EXIT_S)
        stopped = time.monotonic() - began
        assert code == 0
        assert not alive(database)
        assert not (everyone.data / "running.json").exists()
        started = await everyone.start()
        await everyone.busy()
        print(f"stopped in {stopped:.2f} s, started in {started:.2f} s, {everyone.acked} messages, {everyone.made} creates")
        assert started < START_S
        assert await everyone.faults() == []


@pytest.mark.req("V2-02", "OB-10")
async def test_a_killed_database_is_survived_by_the_program(tmp_path: Path, start: Any) -> None:
    async with outside(tmp_path, start) as everyone:
        await everyone.start()
        for _ in range(3):
            await everyone.busy(40)
            database = postmaster(everyone.data)
            kill(database)
            before = everyone.acked, everyone.made
            took = await until(lambda b=before: everyone.acked > b[0] + 20 and everyone.made > b[1] + 20, within=RECOVER_S)
            assert not alive(database)
            assert await ready(everyone)
            print(f"recovered after {took:.2f} s")
        refused = sum(len(sender.refused) + sender.resent for sender in everyone.senders) + sum(c.refused for c in everyone.creators)
        assert refused, "no kill met anything in flight: this proves nothing"
        assert everyone.program.process.poll() is None
        assert await everyone.faults() == []


@pytest.mark.req("V2-02", "OB-10")
async def test_a_killed_program_takes_its_database_along_and_the_next_start_has_everything(tmp_path: Path, start: Any) -> None:
    async with outside(tmp_path, start) as everyone:
        for _ in range(2):
            took = await everyone.start()
            assert took < START_S
            await everyone.busy()
            database = postmaster(everyone.data)
            servers = [database, *children(database)]
            kill(everyone.program.process.pid)
            await asyncio.to_thread(everyone.program.process.wait)
            gone = await until(lambda s=servers: not any(map(alive, s)), within=10)
            print(f"started in {took:.2f} s, the database was gone after {gone:.2f} s")
        await everyone.start()
        await everyone.busy()
        assert await everyone.faults() == []
