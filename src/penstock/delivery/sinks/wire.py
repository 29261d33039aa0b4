"""A small HTTP/1.1 client for letters (RFC 9112): one request and its answer on a kept-alive connection, through the door.

Strategy: the answer is the status line and the headers; what comes after is only read to use the connection again, up to a limit.
No redirects, no decompression, no cookies, no pipelining; one deadline over everything. Anything that is not HTTP, too long, or
comes when nothing was asked closes the connection. httptools parses; we hold the limits.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httptools

from penstock.delivery.outbound import Door, Target
from penstock.delivery.sinks.parcel import Letter
from penstock.errors import Problem

#: The most that is read of one answer, headers and body together.
MAX_ANSWER = 64 * 1024

T = TypeVar("T")

_IDLE = 64  # connections kept for one origin


class Broken(Exception):
    """The exchange failed; its one argument is our constant reason. ``stale``: nothing of an answer came on a reused connection."""

    def __init__(self, reason: str, *, stale: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.stale = stale


@dataclass(frozen=True)
class Reply:
    """Status and headers (names in lower case) of an answer."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)


class Connection(asyncio.Protocol):
    """One connection; asyncio calls it with bytes, httptools with what they mean."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._reply: asyncio.Future[Reply] | None = None
        self._complete: asyncio.Future[bool] | None = None
        self._headers: dict[str, str] = {}
        self._read = 0
        self.used = False

    async def post(self, request: bytes) -> Reply:
        """Send a request, return its answer: as soon as its headers are there."""
        loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._reply, self._complete = loop.create_future(), loop.create_future()
        self._headers, self._read = {}, 0
        if not self.alive:
            raise Broken("the connection was closed", stale=self.used)
        assert self._transport is not None
        self._transport.write(request)
        return await self._reply

    async def completed(self) -> None:
        """Return when the whole answer has come, or never will."""
        if self._complete is not None:
            await asyncio.wait([self._complete])

    @property
    def complete(self) -> bool:
        """Whether nothing more of the answer is to come."""
        return self._complete is None or self._complete.done()

    @property
    def keeps(self) -> bool:
        """Whether the connection can be used again: the answer came whole, and the other side keeps it open."""
        return self.alive and (self._complete is None or (self._complete.done() and self._complete.result()))

    @property
    def alive(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # a stream transport

    def data_received(self, data: bytes) -> None:
        if self._complete is None or self._complete.done():
            self.close()  # nobody asked
            return
        self._read += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail("the answer is not HTTP")
        except httptools.HttpParserUpgrade:
            self._fail("the endpoint wants another protocol")
        if self._read > MAX_ANSWER:
            self._fail("the answer is too long")

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("the connection was closed", stale=self.used and self._read == 0)

    def _fail(self, reason: str, *, stale: bool = False) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(Broken(reason, stale=stale))
        if self._complete is not None and not self._complete.done():
            self._complete.set_result(False)
        self.close()

    # what httptools calls

    def on_message_begin(self) -> None:
        if self.complete:
            self.close()  # a second answer that nobody asked for

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200 and self._reply is not None and not self._reply.done():
            self._reply.set_result(Reply(status, self._headers))

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() < 200:  # an interim answer (RFC 9110 section 15.2): the real one follows
            self._headers = {}
        elif self._complete is not None and not self._complete.done():
            self._complete.set_result(bool(self._parser.should_keep_alive()))


class Client:
    """Sends to many origins. One for the program: connections of one origin are kept and used again."""

    def __init__(self, door: Door, *, timeout_s: float, tls: ssl.SSLContext | None = None) -> None:
        self._door = door
        self._timeout_s = timeout_s
        self._tls = tls or ssl.create_default_context()
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._idle: dict[str, deque[Connection]] = {}
        self._drains: set[asyncio.Task[None]] = set()

    async def check(self, target: Target) -> None:
        """Connect, and keep the connection: the name, the address, the port and TLS are in order. Else a Problem or :class:`Broken`."""
        self._keep(target, await self._within(self._connect(target)))

    async def send(self, target: Target, letter: Letter) -> Reply:
        """Send it; the status and headers of the answer, whatever status that is. Problem or :class:`Broken` when there is none."""
        self._door.check(target)
        return await self._within(self._send(target, _request(target, letter)))

    def close(self) -> None:
        """Close every idle connection."""
        for task in self._drains:
            task.cancel()
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()

    async def _within(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await work
        except TimeoutError:
            raise Broken("the endpoint did not answer in time") from None

    async def _send(self, target: Target, request: bytes) -> Reply:
        connection = self._take(target)
        if connection is not None:
            try:
                return await self._exchange(target, connection, request)
            except Broken as broken:
                if not broken.stale:
                    raise
        return await self._exchange(target, await self._connect(target), request)

    async def _exchange(self, target: Target, connection: Connection, request: bytes) -> Reply:
        try:
            reply = await connection.post(request)
        except BaseException:
            connection.close()
            raise
        connection.used = True
        if connection.complete:
            self._give(target, connection)
        else:
            task = asyncio.create_task(self._drain(target, connection))
            self._drains.add(task)
            task.add_done_callback(self._drains.discard)
        return reply

    async def _drain(self, target: Target, connection: Connection) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await connection.completed()
        except TimeoutError:
            connection.close()
        self._give(target, connection)

    async def _connect(self, target: Target) -> Connection:
        self._door.check(target)
        loop = asyncio.get_running_loop()
        tls: dict[str, Any] = {"ssl": self._tls, "server_hostname": target.host} if target.scheme == "https" else {}
        reason = "the endpoint cannot be reached"
        for address in await self._door.addresses(target):
            try:
                _, connection = await loop.create_connection(Connection, address, target.port, **tls)
                return connection
            except ssl.SSLError:
                reason = "the endpoint's certificate is not accepted"
            except OSError:
                reason = "the endpoint cannot be reached"
        raise Broken(reason)

    def _take(self, target: Target) -> Connection | None:
        idle = self._idle.get(target.origin)
        while idle:
            connection = idle.pop()
            if connection.alive:
                return connection
        return None

    def _give(self, target: Target, connection: Connection) -> None:
        if connection.keeps:
            self._keep(target, connection)
        else:
            connection.close()

    def _keep(self, target: Target, connection: Connection) -> None:
        idle = self._idle.setdefault(target.origin, deque())
        idle.append(connection)
        if len(idle) > _IDLE:
            idle.popleft().close()


def _request(target: Target, letter: Letter) -> bytes:
    path = target.path.rstrip("/") + letter.path if letter.path else target.path
    lines = [f"{letter.method} {path} HTTP/1.1", f"Host: {target.authority}", "User-Agent: penstock"]
    if not any(name.lower() == "accept" for name, _ in letter.headers):
        lines.append("Accept: */*")
    lines += [f"{name}: {value}" for name, value in [("Content-Length", len(letter.body)), *letter.headers]]
    head = "\r\n".join(lines)
    if head.count("\r") != len(lines) - 1 or head.count("\n") != len(lines) - 1 or "\0" in head:
        raise Problem("value", "a header of the subscriber holds a character that no header may hold")
    return head.encode("latin-1") + b"\r\n\r\n" + letter.body
