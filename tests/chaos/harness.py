"""Kill the program again and again under load, start it again, and at the end compare what the outside saw with what is stored.

The database outlives the kills (its own crashes are ``test_postgres_crash.py``). A verdict is worth nothing without three figures
beside it: how many kills hit a message in flight, how many messages were acknowledged, and which planted defects the same run finds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.db import Database, connect
from tests.chaos.oracle import Sender, Subscriber, senders

ROOT = Path(__file__).parents[2]
SITE_HOOK = """\
name: oracle
endpoint: http://127.0.0.1:{port}/
mode: {mode}
payload: none
"""


@dataclass
class Verdict:
    """What a run did and what is wrong after it; ``faults`` is empty when every promise was kept."""

    kills: int = 0
    in_flight: int = 0
    acked: int = 0
    resent: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        share = 100 * self.in_flight / self.kills if self.kills else 0
        bound = f", < {3 / self.kills:.1e} a kill (95 %)" if self.kills else ""
        return (
            f"{self.kills} kills, {self.in_flight} ({share:.0f} %) with a message in flight, {self.resent} resent, "
            f"{self.acked} messages acknowledged: {len(self.faults)} faults{bound}"
        )


class Program:
    """The program under test, started by the fork server."""

    def __init__(self, server: asyncio.subprocess.Process, settings: dict[str, Any], log: Path) -> None:
        self._server, self._settings, self._log = server, settings, log
        self.pid = 0
        self.mllp = 0
        self.http = ""

    async def start(self, *, defect: str | None = None, crash: tuple[str, int] | None = None) -> bool:
        """Start it and wait until it serves; False when a crash point killed it before that."""
        command = {"settings": self._settings, "log": str(self._log), "defect": defect, "crash": crash}
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(command).encode() + b"\n")
        said = await self._say()
        if "ended" in said:
            return False
        self.pid, self.http, self.mllp = said["pid"], said["http"], int(said["mllp"].rsplit(":", 1)[1])
        return True

    def alive(self) -> bool:
        """Whether it runs (the fork server reaps it at once when it ends)."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    async def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        os.kill(self.pid, signal.SIGKILL)
        await self.ended()

    async def ended(self) -> int:
        """Wait until it is gone by itself; its wait status."""
        while "ended" not in (said := await self._say()):
            pass
        return int(said["status"])

    async def stop(self) -> None:
        os.kill(self.pid, signal.SIGTERM)
        await self.ended()

    async def _say(self) -> dict[str, Any]:
        assert self._server.stdout is not None
        line = await asyncio.wait_for(self._server.stdout.readline(), 60)
        if not line:
            raise RuntimeError(f"the fork server ended; see {self._log}")
        said: dict[str, Any] = json.loads(line)
        return said


@contextlib.asynccontextmanager
async def program(folder: Path, database_url: str, hook_port: int, *, mode: str = "single", **more: Any) -> AsyncIterator[Program]:
    """A Program with a site of one webhook, over a database of its own."""
    (folder / "site" / "subscriptions").mkdir(parents=True)
    (folder / "site" / "subscriptions" / "oracle.yaml").write_text(SITE_HOOK.format(port=hook_port, mode=mode))
    settings = {
        "data": str(folder / "data"),
        "site": str(folder / "site"),
        "database": database_url,
        "http": "127.0.0.1:0",
        "mllp": "127.0.0.1:0",
        "flow_retry_s": 0.05,
        "delivery_retry_s": 0.05,
        "delivery_retry_cap_s": 0.5,
        "delivery_allow": ["127.0.0.0/8"],
        "log_level": "warning",
    } | more
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.chaos.forkserver", cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    running = Program(server, settings, folder / "program.log")
    try:
        yield running
    finally:
        if running.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(running.pid, signal.SIGKILL)
        assert server.stdin is not None
        server.stdin.close()
        await server.wait()


async def run_kills(folder: Path, database_url: str, *, kills: int, seed: int, defect: str | None = None) -> Verdict:
    """``kills`` kill -9 at random moments under load, then a quiet end, then the comparison.

    Long runs have more patients and senders who pause, so that what is sent can also be processed between the kills.
    """
    chance = random.Random(seed)
    subscriber, outside = Subscriber(), senders(6, max(4, kills // 10), seed=seed)
    for sender in outside:
        sender.pause_s = 0.05 if kills > 100 else 0.0
    verdict = Verdict()
    async with program(folder, database_url, await subscriber.start()) as under_test:
        tasks: list[asyncio.Task[None]] = []
        for number in range(kills):
            assert await under_test.start(defect=defect), f"the program does not start: see {folder}"
            aim(outside, under_test.mllp)
            tasks = tasks or [asyncio.create_task(sender.run()) for sender in outside]
            await asyncio.sleep(chance.uniform(0.02, 0.4 if number % 5 else 0.8))
            verdict.in_flight += any(sender.in_flight for sender in outside)
            await under_test.kill()
            verdict.kills += 1
        await finish(under_test, outside, tasks, subscriber, database_url, verdict, defect=defect)
    return verdict


async def run_points(folder: Path, database_url: str, points: list[tuple[str, int]], *, seed: int) -> tuple[Verdict, set[str]]:
    """Die at each named crash point (at its n-th passing), restart, and go on; which points were reached."""
    subscriber, outside = Subscriber(), senders(6, 4, seed=seed)
    verdict, reached = Verdict(), set[str]()
    async with program(folder, database_url, await subscriber.start()) as under_test:
        tasks: list[asyncio.Task[None]] = []
        for point in points:
            if await under_test.start(crash=point):
                aim(outside, under_test.mllp)
                tasks = tasks or [asyncio.create_task(sender.run()) for sender in outside]
                try:
                    await asyncio.wait_for(under_test.ended(), 10)
                    reached.add(point[0])
                except TimeoutError:
                    await under_test.kill()
            else:
                reached.add(point[0])
            verdict.kills += 1
            verdict.in_flight += any(sender.in_flight for sender in outside)
        await finish(under_test, outside, tasks, subscriber, database_url, verdict)
    return verdict, reached


def aim(outside: list[Sender], port: int) -> None:
    for sender in outside:
        sender.port = port


async def finish(
    under_test: Program, outside: list[Sender], tasks: list[asyncio.Task[None]], subscriber: Subscriber, database_url: str,
    verdict: Verdict, *, defect: str | None = None,
) -> None:  # fmt: skip
    """Let the senders end their last message and the program drain; then compare."""
    assert await under_test.start(defect=defect), "the program does not start again"
    aim(outside, under_test.mllp)
    for sender in outside:
        sender.stopping = True
    await asyncio.wait_for(asyncio.gather(*tasks), 60)
    verdict.acked = sum(len(sender.acked) for sender in outside)
    verdict.resent = sum(sender.resent for sender in outside)
    verdict.faults += await compare(outside, subscriber, database_url, patience_s=60 + verdict.kills / 4)
    await under_test.stop()
    await subscriber.stop()


async def compare(outside: list[Sender], subscriber: Subscriber, database_url: str, *, patience_s: float = 60) -> list[str]:
    """Everything that was promised and is not so. Waits for the backlog to drain first, at most ``patience_s``."""
    database = await connect(database_url, size=2)
    try:
        await _drained(database, patience_s)
        async with database.connection() as tx:
            events = await tx.fetch("select id::text, type || '/' || resource_id as subject, ver from event order by seq")
            messages = await tx.fetch("select control_id, state, count(*) as n from inbox group by 1, 2")
            raw = await tx.fetch("select i.control_id, b.raw from inbox i join inbox_body b using (id, received_at)")
            versions = await tx.fetch("select resource_id, max(ver) as newest from event where type = 'Encounter' group by 1")
    finally:
        await database.close()
    return [
        *_messages(outside, messages, {row["control_id"]: row["raw"] for row in raw}),
        *_effects(outside, versions),
        *_events(events, subscriber),
    ]


_LEFT = """
select (select count(*) from inbox where state in ('ready', 'postponed'))
     + (select count(*) from event where seq > (select seq from delivery_cursor))
     + (select count(*) from delivery where state = 'pending')
"""


async def _drained(database: Database, patience_s: float) -> None:
    """Wait until the program itself says that it has nothing left to do, and a little for what is on the wire."""
    deadline = time.monotonic() + patience_s
    async with database.connection() as tx:
        while await tx.fetchval(_LEFT) and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
    await asyncio.sleep(0.5)


def _messages(outside: list[Sender], rows: list[Any], raw: dict[str, bytes]) -> list[str]:
    """Each acknowledged message is stored exactly once, with its own bytes; nothing is there that nobody sent."""
    stored = defaultdict(int)
    faults = []
    for row in rows:
        stored[row["control_id"]] += row["n"]
        if row["state"] != "stored":
            faults.append(f"a message is {row['state']}")
    for sender in outside:
        for control_id, message in sender.acked.items():
            if stored[control_id] != 1:
                faults.append(f"an acknowledged message is stored {stored[control_id]} times")
            elif raw.get(control_id) != message:
                faults.append("the bytes of a message are not those that were sent")
    known = {control_id for sender in outside for control_id in sender.acked}
    return faults + ["a message is stored that nobody sent" for control_id in stored if control_id not in known]


def _effects(outside: list[Sender], versions: list[Any]) -> list[str]:
    """Each message moved its patient to another bed: as many versions of the Encounter as messages, over all patients."""
    sent = sorted(number for sender in outside for number in sender.sent_to.values() if number)
    made = sorted(row["newest"] for row in versions)
    return [] if sent == made else [f"Encounter versions {made} are not the messages sent {sent}"]


def _events(events: list[Any], subscriber: Subscriber) -> list[str]:
    """One event for each version, in order; each delivered; the first delivery of each in the order of versions; ids are stable."""
    faults = []
    newest: dict[str, int] = defaultdict(int)
    for event in events:
        if event["ver"] != newest[event["subject"]] + 1:
            faults.append("an event is missing, doubled or out of order in the log")
        newest[event["subject"]] = event["ver"]
    seen = set(subscriber.seen)
    faults += ["an event was not delivered" for e in events if (e["id"], e["subject"], e["ver"]) not in seen]
    delivered: dict[str, int] = defaultdict(int)
    ids: dict[tuple[str, int], str] = {}
    for id_, subject, ver in subscriber.seen:
        if ids.setdefault((subject, ver), id_) != id_:
            faults.append("a repeated delivery has another id")
        if ver > delivered[subject] + 1:
            faults.append("an event overtook an earlier one of its resource")
        delivered[subject] = max(delivered[subject], ver)
    return faults
