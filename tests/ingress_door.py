"""Invented messages, and an MLLP door with a client for the tests of ingress."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from penstock.clock import SystemClock
from penstock.db import Database
from penstock.formats.hl7v2 import Frame, Frames, parse, wrap
from penstock.ingress import MLLP, Intake, Interface, Meters, Mllp
from penstock.settings import Settings

CHANCE = random.Random(7)


def adt(number: int | str, *, patient: str = "p1", head: str = "|P|2.5", more: str = "") -> bytes:
    return (
        f"MSH|^~\\&|APP|FAC|TO|THERE|20250413093000||ADT^A01|M{number}{head}\r"
        f"EVN|A01|20250413093000\rPID|1||{patient}^^^A~x^^^B||Testfall^Ada\rPV1|1|I|||||||||||||||||V{number}\r{more}"
    ).encode()


def intake(inbox: Any, interface: Interface = MLLP, **more: Any) -> Intake:
    return Intake(inbox=inbox, interface=interface, clock=SystemClock(), chance=CHANCE, meters=Meters(interface.name), **more)


def settings(**given: Any) -> Settings:
    return Settings(mllp="127.0.0.1:0", **{f"mllp_{name}": value for name, value in given.items()})


@asynccontextmanager
async def door(inbox: Any, interface: Interface = MLLP, *, limits: dict[str, Any] | None = None, **more: Any) -> AsyncIterator[Mllp]:
    async with Mllp(intake(inbox, interface, **more), settings(**(limits or {}))) as mllp:
        yield mllp


class Client:
    """Sends bytes, reads answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._frames = Frames(10**6)
        self._ready: list[bytes] = []

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self, timeout_s: float = 10.0) -> bytes | None:
        """The next answer; None when the connection ends instead."""
        async with asyncio.timeout(timeout_s):
            while not self._ready:
                try:
                    data = await self.reader.read(65536)
                except (ConnectionError, ssl.SSLError):
                    return None
                if not data:
                    return None
                self._ready += [each.data for each in self._frames.feed(data) if isinstance(each, Frame)]
        return self._ready.pop(0)

    async def ask(self, message: bytes) -> tuple[str, str]:
        """MSA-1 and MSA-2 of the answer to a message."""
        self.send(wrap(message))
        return told(await self.answer())


def told(answer: bytes | None) -> tuple[str, str]:
    assert answer is not None, "the connection was closed without an answer"
    found = parse(answer)
    return found.get("MSA-1"), found.get("MSA-2")


@asynccontextmanager
async def client(mllp: Mllp, tls: ssl.SSLContext | None = None) -> AsyncIterator[Client]:
    name = "localhost" if tls else None
    reader, writer = await asyncio.open_connection("127.0.0.1", mllp.port, ssl=tls, server_hostname=name)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with suppress(OSError, ssl.SSLError):
            await writer.wait_closed()


async def stored(database: Database) -> list[tuple[str, str]]:
    """Control id and state of everything in the inbox, in order of arrival."""
    async with database.connection() as tx:
        return [(row["control_id"], row["state"]) for row in await tx.fetch("select control_id, state from inbox order by id")]
