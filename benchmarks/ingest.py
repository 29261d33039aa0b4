"""Messages in over MLLP: how fast they are durably acknowledged, and how fast they come out again at a webhook."""

from __future__ import annotations

import asyncio
import time
from itertools import islice
from typing import cast

import uvloop

from benchmarks.load import mllp_good, mllp_length, run
from benchmarks.serve import Served, served
from penstock.client import Client
from penstock.formats.hl7v2 import wrap
from penstock.samples.traffic import admissions


def acknowledgements(seconds: float) -> None:
    """ADT over 1, 8 and 64 connections: the whole program, then the listener as a process of its own."""
    for name, roles in (("whole program", "all"), ("--roles ingress", "ingress")):
        with served("--roles", roles) as program:
            for connections in (1, 8, 64):
                messages = (wrap(message) for message in admissions(prefix=f"A{connections}-"))
                load = run(*program.mllp, messages, connections=connections, seconds=seconds, length=mllp_length, good=mllp_good)
                print(f"  {name:<16} {connections:3} connections {uvloop.run(load)}", flush=True)
            print(f"  {name:<16} memory of all processes {program.memory_mb():.0f} MB", flush=True)


def end_to_end(seconds: float) -> None:
    """ADT in, FHIR stored, every change at a webhook: sustained rate (sent at once, until the last one was told), and latency below it."""
    for mode in ("single", "batch"):
        uvloop.run(_end_to_end(mode, round(seconds * 400)))


async def _end_to_end(mode: str, count: int) -> None:
    hook = Hook()
    port = await hook.start()
    site = {"subscriptions/bench.yaml": f"name: bench\nendpoint: http://127.0.0.1:{port}/\nmode: {mode}\npayload: none\n"}
    with served(site=site, PENSTOCK_DELIVERY_ALLOW="127.0.0.0/8") as program:
        sent = (wrap(message) for message in islice(admissions(prefix="E-", patients=500), count))
        start = time.perf_counter()
        answered = await run(*program.mllp, sent, connections=16, seconds=600, length=mllp_length, good=mllp_good)
        await _drained(program)
        stored = time.perf_counter() - start
        await hook.quiet()
        told = hook.last - start
        print(
            f"  webhook {mode:<7} {count} ADT: acknowledged {answered.rate:,.0f}/s, stored {count / stored:,.0f}/s, "
            f"told {count / told:,.0f}/s ({hook.events:,} events, {hook.events / told:,.0f}/s), {program.memory_mb():.0f} MB",
            flush=True,
        )
    await hook.stop()


async def _drained(program: Served) -> None:
    client = Client(f"http://{program.http[0]}:{program.http[1]}", program.token)
    while True:
        counts = (await asyncio.to_thread(client.get, "/admin/v1/conservation"))["interfaces"]["mllp"]
        if not any(counts["in_flight"].values()):
            return
        await asyncio.sleep(0.1)


class Hook:
    """A webhook that answers at once and counts events."""

    def __init__(self) -> None:
        self.events = 0
        self.last = 0.0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Transport] = set()

    async def start(self) -> int:
        self._server = await asyncio.get_running_loop().create_server(lambda: _Hooked(self), "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def quiet(self) -> None:
        """Wait until nothing came for a second."""
        for _ in range(600):
            if time.perf_counter() - self.last > 1.0:
                return
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for transport in tuple(self._open):
            transport.close()
        await self._server.wait_closed()


class _Hooked(asyncio.Protocol):
    def __init__(self, hook: Hook) -> None:
        self._hook = hook
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports are none by inheritance
        self._hook._open.add(self._transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._hook._open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            at = head.find(b"content-length:")
            length = end + 4 + (int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0)
            if len(self._buffer) < length:
                return
            self._hook.events += self._buffer.count(b'"specversion"', end, length)
            self._hook.last = time.perf_counter()
            self._buffer = self._buffer[length:]
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
