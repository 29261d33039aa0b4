"""Shots at a server: requests as bytes on raw connections, because a polite client would not send what we want to send."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

#: What is said to bytes that are no HTTP request at all.
NO_HTTP = b"Invalid HTTP request received."
#: So many of the slowest answers are remembered.
_SLOWEST = 10


class Shot(NamedTuple):
    """One request. ``kind`` is what it tries."""

    kind: str
    method: str
    target: str
    body: bytes = b""
    media: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def encode(self, host: str, token: str) -> bytes:
        head = [f"{self.method} {self.target} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {token}"]
        if self.media:
            head.append(f"Content-Type: {self.media}")
        head += [f"{name}: {value}" for name, value in self.headers]
        head.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join(head).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + self.body


@dataclass
class Seen:
    """What came back: statuses by kind, the slowest answers, and every answer that should not be."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    slow: list[tuple[float, int, Shot]] = field(default_factory=list)  # seconds, status
    wrong: list[tuple[Shot, int, bytes]] = field(default_factory=list)
    closed: int = 0

    @property
    def total(self) -> int:
        return self.statuses.total()

    @property
    def slowest(self) -> float:
        return self.slow[0][0] if self.slow else 0.0

    def note(self, shot: Shot, status: int, body: bytes, seconds: float) -> None:
        self.statuses[shot.kind, status] += 1
        if len(self.slow) < _SLOWEST or seconds > self.slow[-1][0]:
            self.slow = sorted([*self.slow, (seconds, status, shot)], key=lambda each: -each[0])[:_SLOWEST]
        told = shot.target.startswith("/fhir") and shot.method != "HEAD" and status >= 400 and body != NO_HTTP
        if status >= 500 or (told and not any(word in body for word in (b"OperationOutcome", b'{"errors":['))):
            self.wrong.append((shot, status, body[:2000]))


async def fire(url: str, token: str, shots: Iterator[Shot], *, until: float, connections: int = 8) -> Seen:
    """Send ``shots`` over several connections until there are no more, or ``until`` (a monotonic time)."""
    seen = Seen()
    parts = urlsplit(url)
    assert parts.hostname and parts.port

    async def one() -> None:
        reader = writer = None
        for shot in shots:
            if time.monotonic() > until:
                break
            if writer is None or reader is None:
                reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=2**26)
            began = time.monotonic()
            try:
                async with asyncio.timeout(60):
                    writer.write(shot.encode(parts.netloc, token))
                    await writer.drain()
                    status, body, alive = await _answer(reader, shot.method)
            except (ConnectionError, asyncio.IncompleteReadError):
                seen.closed += 1
                reader = writer = None
                continue
            seen.note(shot, status, body, time.monotonic() - began)
            if not alive:
                writer.close()
                reader = writer = None
        if writer is not None:
            writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return seen


async def _answer(reader: asyncio.StreamReader, method: str) -> tuple[int, bytes, bool]:
    """Status, body, and whether the connection goes on."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = int(head[9:12])
    length = next((int(line.partition(":")[2]) for line in head.split("\r\n") if line.startswith("content-length:")), 0)
    chunked = "transfer-encoding: chunked" in head
    body = b""
    if method != "HEAD" and status not in (204, 304):
        body = await _chunks(reader) if chunked else await reader.readexactly(length)
    return status, body, "connection: close" not in head


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body
