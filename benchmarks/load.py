"""Lean load generators: as many connections as asked, each with one request in the air, over ready-made bytes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import quantiles
from typing import cast


@dataclass
class Result:
    """What a load run saw: answers that ``good`` accepted, others, seconds it took, and latencies in seconds."""

    good: int = 0
    bad: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.good / self.seconds if self.seconds else 0.0

    def percentile_ms(self, p: int) -> float:
        return quantiles(self.latencies, n=100)[p - 1] * 1000 if len(self.latencies) > 1 else 0.0

    def __str__(self) -> str:
        bad = f", {self.bad} refused" if self.bad else ""
        return f"{self.rate:8,.0f}/s  p50 {self.percentile_ms(50):6.2f} ms  p99 {self.percentile_ms(99):6.2f} ms{bad}"


class _Client(asyncio.Protocol):
    """One connection that sends the next request when the last one was answered."""

    def __init__(
        self, requests: Iterator[bytes], length: Callable[[bytes], int], good: Callable[[bytes], bool], result: Result, until: float
    ):
        self._requests, self._length, self._good, self._result, self._until = requests, length, good, result, until
        self._buffer = b""
        self._sent = 0.0
        self.finished = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports are none by inheritance
        self._next()

    def _next(self) -> None:
        now = time.perf_counter()
        request = next(self._requests, None) if now < self._until else None
        if request is None:
            self._transport.close()
            return
        self._sent = now
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        length = self._length(self._buffer)
        if length < 0 or len(self._buffer) < length:
            return
        self._result.latencies.append(time.perf_counter() - self._sent)
        if self._good(self._buffer):
            self._result.good += 1
        else:
            self._result.bad += 1
        self._buffer = self._buffer[length:]
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.finished.done():
            self.finished.set_result(None)


def http_length(data: bytes) -> int:
    """Bytes of the first HTTP response in ``data``, or -1 while its head is incomplete."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return -1
    head = data[:end].lower()
    at = head.find(b"content-length:")
    return end + 4 + (int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0)


def http_good(data: bytes) -> bool:
    return data[9:10] == b"2"


def mllp_length(data: bytes) -> int:
    end = data.find(b"\x1c\r")
    return end + 2 if end >= 0 else -1


def mllp_good(data: bytes) -> bool:
    return b"MSA|AA|" in data or b"MSA|CA|" in data


async def run(
    host: str,
    port: int,
    requests: Iterator[bytes],
    *,
    connections: int,
    seconds: float,
    length: Callable[[bytes], int] = http_length,
    good: Callable[[bytes], bool] = http_good,
) -> Result:
    """Send ``requests`` (shared by all connections) for at most ``seconds``, or until there are none left."""
    loop, result, start = asyncio.get_running_loop(), Result(), time.perf_counter()
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(lambda: _Client(requests, length, good, result, start + seconds), host, port)
        clients.append(client)
    await asyncio.gather(*(client.finished for client in clients))
    result.seconds = time.perf_counter() - start
    return result


def http_request(method: str, path: str, token: str, body: bytes = b"", host: str = "localhost") -> bytes:
    """The bytes of one FHIR request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nAccept: application/fhir+json\r\n"
    if body:
        head += f"Content-Type: application/fhir+json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body
