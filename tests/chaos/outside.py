"""The outside of the real program: senders by MLLP, clients by REST, a webhook; and what must hold afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from penstock.settings import Settings
from penstock.workbench import mint_token
from tests.chaos.harness import SITE_HOOK, compare
from tests.chaos.oracle import Sender, Subscriber, senders

QUICK = {
    "PENSTOCK_DELIVERY_ALLOW": "127.0.0.0/8",
    "PENSTOCK_DELIVERY_RETRY_S": "0.05",
    "PENSTOCK_DELIVERY_RETRY_CAP_S": "0.5",
    "PENSTOCK_FLOW_RETRY_S": "0.05",
}


@dataclass
class Creator:
    """A FHIR client: creates one Patient after the other, and writes down what it was told exists."""

    name: str
    base: str = ""
    token: str = ""
    created: dict[str, str] = field(default_factory=dict)
    refused: int = 0
    defects: list[str] = field(default_factory=list)
    stopping: bool = False

    async def run(self) -> None:
        number = 0
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {self.token}"}, timeout=20) as client:
            while not self.stopping:
                number += 1
                body = {"resourceType": "Patient", "identifier": [{"system": "urn:id:load", "value": f"{self.name}-{number}"}]}
                try:
                    answer = await client.post(f"{self.base}/fhir/Patient", json=body)
                except httpx.TransportError:
                    self.refused += 1
                    await asyncio.sleep(0.02)
                    continue
                if answer.status_code == 201:
                    self.created[answer.json()["id"]] = f"{self.name}-{number}"
                else:
                    self.refused += 1
                    self.defects += [f"status {answer.status_code}"] * (answer.status_code != 503)
                    await asyncio.sleep(0.02)


@dataclass
class Outside:
    """Everyone who uses the program, and the program."""

    folder: Path
    begin: Any
    senders: list[Sender] = field(default_factory=lambda: senders(6, 4, seed=5))
    creators: list[Creator] = field(default_factory=lambda: [Creator(f"C{number}") for number in range(3)])
    subscriber: Subscriber = field(default_factory=Subscriber)
    program: Any = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    async def start(self) -> float:
        """Start the program (again), and let everyone use it; the seconds until it served."""
        began = time.monotonic()
        self.program = await asyncio.to_thread(self.begin, "--site", str(self.folder / "site"), data=self.data, **QUICK)
        took = time.monotonic() - began
        token = mint_token(Settings(data=self.data), client="load", scope="system/*.cruds", lifetime=timedelta(minutes=10))
        for sender in self.senders:
            sender.port = urlsplit(self.program.mllp).port or 0
        for creator in self.creators:
            creator.base, creator.token = self.program.http, token
        self.tasks = self.tasks or [asyncio.create_task(each.run()) for each in (*self.senders, *self.creators)]
        return took

    async def busy(self, more: int = 60) -> None:
        """Wait until so many more messages and creates were confirmed: then the load is real."""
        acked, made = self.acked + more, self.made + more
        await until(lambda: self.acked >= acked and self.made >= made, within=40)

    @property
    def acked(self) -> int:
        return sum(len(sender.acked) for sender in self.senders)

    @property
    def made(self) -> int:
        return sum(len(creator.created) for creator in self.creators)

    async def faults(self) -> list[str]:
        """End the load and compare what everyone was told with what is there: empty when every promise was kept."""
        for each in (*self.senders, *self.creators):
            each.stopping = True
        await asyncio.wait_for(asyncio.gather(*self.tasks), 60)
        found = await compare(self.senders, self.subscriber, database_of(self.data))
        found += [fault for creator in self.creators for fault in creator.defects]
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {self.creators[0].token}"}, timeout=20) as client:
            for creator in self.creators:
                for id_, value in creator.created.items():
                    answer = await client.get(f"{self.program.http}/fhir/Patient/{id_}")
                    if answer.status_code != 200 or answer.json()["identifier"][0]["value"] != value:
                        found.append("a resource that was confirmed is not there")
        return found


@contextlib.asynccontextmanager
async def outside(folder: Path, begin: Any) -> AsyncIterator[Outside]:
    """An Outside around a program of ``begin`` (the fixture ``start``), not started yet."""
    found = Outside(folder, begin)
    make_site(folder, await found.subscriber.start())
    try:
        yield found
    finally:
        for task in found.tasks:
            task.cancel()
        await asyncio.gather(*found.tasks, return_exceptions=True)
        await found.subscriber.stop()


def make_site(folder: Path, hook_port: int) -> None:
    folder.chmod(0o755)
    (folder / "site" / "subscriptions").mkdir(parents=True)
    (folder / "site" / "subscriptions" / "oracle.yaml").write_text(SITE_HOOK.format(port=hook_port, mode="batch"))


def postmaster(data: Path) -> int:
    """Process id of the embedded server."""
    return int((data / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def database_of(data: Path) -> str:
    """URL of the embedded server of a running program."""
    folder = (data / "postgres" / "postmaster.pid").read_text().splitlines()[4]
    return f"postgresql://penstock@/penstock?host={quote(folder)}&port=5432"


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def until(what: Any, *, within: float) -> float:
    """The seconds until ``what`` was true."""
    began = time.monotonic()
    for _ in range(int(within * 100)):
        if what():
            return time.monotonic() - began
        await asyncio.sleep(0.01)
    raise AssertionError(f"what was waited for did not become true within {within} s")


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def children(pid: int) -> Iterator[int]:
    """The processes that were started by ``pid``."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if int(path.read_text().rsplit(")", 1)[1].split()[1]) == pid:
                yield int(path.parent.name)
