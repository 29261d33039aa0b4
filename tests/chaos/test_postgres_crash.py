"""The server is killed again and again under load: nothing that was acknowledged is lost, nothing is there twice, and it comes back alone.

The oracle is outside: what the senders wrote down when they were told that a message is safe.
"""

import asyncio
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

from penstock.db import Database, connect, migrate
from penstock.db.embedded import Embedded
from penstock.errors import Problem
from penstock.inbox import Receiver, counts
from tests.inbox_arrivals import arrival

CYCLES = 6
SENDERS = 32
_BACK_WITHIN_S = 5.0

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the killing needs /proc")


class Sender:
    """Sends one message after the other, each until it is acknowledged, and writes down what it was told."""

    def __init__(self, number: int, receiver: Receiver) -> None:
        self.number = number
        self.receiver = receiver
        self.acknowledged: dict[str, tuple[int, bytes]] = {}
        self.refused = 0

    async def run(self, until: asyncio.Event) -> None:
        while not until.is_set():
            name = f"S{self.number}-{len(self.acknowledged)}"
            message = arrival(name, patient=f"p{self.number}", source=f"S{self.number}")
            while name not in self.acknowledged:
                try:
                    accepted = await self.receiver.submit(message)
                    self.acknowledged[name] = (accepted.inbox_id, message.hash)
                except Problem as problem:
                    assert problem.meaning.retry
                    self.refused += 1
                    await asyncio.sleep(0.02)


async def _kill_and_see_it_return(server: Embedded, senders: list[Sender], chance: random.Random) -> float:
    await asyncio.sleep(chance.uniform(0.05, 0.4))
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    before = sum(len(s.acknowledged) for s in senders)
    began = time.monotonic()
    while sum(len(s.acknowledged) for s in senders) < before + SENDERS * 3 or server.pid in (None, pid):
        assert time.monotonic() - began < _BACK_WITHIN_S, "the service did not come back"
        await asyncio.sleep(0.01)
    return time.monotonic() - began


async def _check(database: Database, acknowledged: dict[str, tuple[int, bytes]]) -> None:
    async with database.transaction(readonly=True) as tx:
        kept = {row["control_id"]: (row["id"], row["hash"]) for row in await tx.fetch("select id, control_id, hash from inbox")}
        assert await tx.fetchval("select count(*) from inbox") == len(kept), "something is there twice"
        assert await tx.fetchval("select count(*) from inbox i join inbox_body b on b.id = i.id and sha256(b.raw) = i.hash") == len(kept)
        assert all(count.conserved for count in (await counts(tx)).values())
    lost = {name for name, told in acknowledged.items() if kept.get(name) != told}
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged messages are lost"


async def test_a_server_killed_under_load_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    server = Embedded(tmp_path / "data", shared_buffers_mb=16)
    chance = random.Random(2)
    async with server as url:
        database = await connect(url, size=4)
        await migrate(database)
        done = asyncio.Event()
        async with Receiver(database) as receiver:
            senders = [Sender(number, receiver) for number in range(SENDERS)]
            async with asyncio.TaskGroup() as group:
                for sender in senders:
                    group.create_task(sender.run(done))
                for _ in range(CYCLES):
                    await _kill_and_see_it_return(server, senders, chance)
                done.set()
        assert server.restarts == CYCLES
        assert sum(s.refused for s in senders) >= SENDERS, "no kill met a message in flight: this proves nothing"
        await _check(database, {name: told for s in senders for name, told in s.acknowledged.items()})
        await database.close()
