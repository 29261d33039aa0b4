"""A subscriber on a real socket: it answers as the test says, and remembers what it was told."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson


@dataclass
class Told:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict:
        return orjson.loads(self.body)


#: What the subscriber does with a request: the bytes of an answer, or None to cut the connection.
Behaviour = Callable[["Told"], Awaitable[bytes | None]]


def answer(status: int, body: bytes = b"", *headers: str) -> bytes:
    """An HTTP answer."""
    lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


OK = answer(200)


async def confirm(told: Told) -> bytes:
    return OK


@dataclass
class Subscriber:
    """``told``: every request, in the order in which they came; ``confirmed``: those that were answered with 2xx."""

    behave: Behaviour = confirm
    told: list[Told] = field(default_factory=list)
    confirmed: list[Told] = field(default_factory=list)
    port: int = 0
    scheme: str = "http"
    connections: int = 0
    raw: Callable[[asyncio.StreamWriter], Awaitable[None]] | None = None  # instead of an answer

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hook"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                first, *lines = head.decode("latin-1").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
                told = Told(first.split(" ")[1], headers, await reader.readexactly(int(headers.get("content-length", 0))))
                self.told.append(told)
                if self.raw is not None:
                    await self.raw(writer)
                    return
                said = await self.behave(told)
                if said is None:
                    return
                if said[9:10] == b"2":
                    self.confirmed.append(told)
                writer.write(said)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def listening(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[Subscriber]:
        """Serve as long as the block lasts."""
        tasks: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            with contextlib.suppress(asyncio.CancelledError):
                await self.serve(reader, writer)
            tasks.discard(task)

        server = await asyncio.start_server(serve, "127.0.0.1", self.port, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        self.scheme = "https" if tls else "http"
        try:
            yield self
        finally:
            server.close()
            for task in list(tasks):
                task.cancel()
            await asyncio.sleep(0)
