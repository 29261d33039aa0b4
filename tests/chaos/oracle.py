"""The outside: a recording sender and a recording subscriber, who believe only what they saw themselves.

Each sender owns a few patients and one connection. It sends a patient's messages in order, one at a time, and sends the same bytes
again until they are acknowledged with AA: what an honest hospital system does. The subscriber answers 200 and writes down what came.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from dataclasses import dataclass, field

from penstock.formats.hl7v2 import wrap
from penstock.samples.people import Person, people
from penstock.samples.traffic import adt


@dataclass
class Sender:
    """Sends message after message about its patients to wherever the listener is now."""

    persons: list[Person]
    name: str
    port: int = 0
    pause_s: float = 0.0
    acked: dict[str, bytes] = field(default_factory=dict)
    sent_to: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    in_flight: bool = False
    resent: int = 0
    refused: list[str] = field(default_factory=list)
    stopping: bool = False

    async def run(self) -> None:
        chance = random.Random(self.name)
        reader: asyncio.StreamReader | None = None
        writer: asyncio.StreamWriter | None = None
        while not self.stopping:
            person = chance.choice(self.persons)
            number = self.sent_to[person.mrn] + 1
            control_id = f"{self.name}-{person.mrn}-{number}"
            message = adt(person, control_id, trigger="A01" if number == 1 else "A08", bed=number)
            while True:
                try:
                    if writer is None or reader is None:
                        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.write(wrap(message))
                    self.in_flight = True
                    answer = await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 20)
                except (OSError, asyncio.IncompleteReadError, TimeoutError):
                    if writer is not None:
                        writer.close()
                    reader = writer = None
                    self.resent += self.in_flight
                    self.in_flight = False
                    await asyncio.sleep(0.01)
                    continue
                self.in_flight = False
                if b"MSA|AA|" + control_id.encode() in answer:
                    break
                self.refused.append(control_id)
                await asyncio.sleep(0.05)
            self.acked[control_id] = message
            self.sent_to[person.mrn] = number
            await asyncio.sleep(chance.uniform(0, 2 * self.pause_s))
        if writer is not None:
            writer.close()


@dataclass
class Subscriber:
    """A webhook endpoint: writes down (event id, subject, version) of each CloudEvent, in the order of arrival."""

    seen: list[tuple[str, str, int]] = field(default_factory=list)
    server: asyncio.Server | None = None
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def start(self) -> int:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self.server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        assert self.server is not None
        self.server.close()
        for writer in tuple(self.writers):
            writer.close()
        await self.server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
                body = json.loads(await reader.readexactly(length))
                for event in body if isinstance(body, list) else [body]:
                    self.note(event)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
        finally:
            self.writers.discard(writer)

    def note(self, event: dict[str, object]) -> None:
        self.seen.append((str(event["id"]), str(event["subject"]), int(str(event["resourceversion"]))))


def senders(count: int, patients: int, *, seed: int) -> list[Sender]:
    """``count`` senders with ``patients`` patients each."""
    everyone = people(count * patients, seed=seed)
    return [Sender(everyone[i * patients : (i + 1) * patients], f"S{i:02d}") for i in range(count)]
