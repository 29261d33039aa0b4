"""The HTTP server around the application: uvicorn with our loop, our signals and our logs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import uvicorn

from penstock.api.corked import Http
from penstock.errors import Problem

#: Seconds that requests under way have, once the server stops.
_STOP_S = 10


class Served(Protocol):
    """An ASGI application that can be told to end its streams."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    def close(self) -> None: ...


@asynccontextmanager
async def serving(app: Served, address: str, *, shared: bool = False, joins: bool = False) -> AsyncIterator[str]:
    """Serve ``app`` at ``HOST:PORT`` (port 0: a free one) until the block is left; yields its URL. With ``shared`` others may
    listen there too; who ``joins`` is one of them.

    Leaving ends the streams, lets requests under way finish, then closes. An address that cannot be bound is ``conflict``.
    """
    listening = _join(address) if joins else _listen(address, shared)
    server = _Server(
        uvicorn.Config(
            app, http=Http, loop="none", lifespan="off", log_config=None, access_log=False, server_header=False,
            proxy_headers=False, timeout_graceful_shutdown=_STOP_S,
        )
    )  # fmt: skip
    task = asyncio.create_task(server.serve(sockets=[listening]), name="api")
    try:
        yield f"http://{address.rpartition(':')[0]}:{listening.getsockname()[1]}"
    finally:
        app.close()
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)


def _listen(address: str, shared: bool) -> socket.socket:
    """An address that other programs have is refused, also where our own processes share it: it is bound alone first."""
    host, _, port = address.rpartition(":")
    try:
        alone = _bind(host, int(port), shared=False)
        if not shared:
            return alone
        bound = alone.getsockname()[1]
        alone.close()
        return _bind(host, bound, shared=True)
    except (OSError, ValueError) as error:
        raise Problem("conflict", "the HTTP address cannot be used: another program has it, or it is none of this machine") from error


def _join(address: str) -> socket.socket:
    """An address that the program already has."""
    host, _, port = address.rpartition(":")
    return _bind(host, int(port), shared=True)


def _bind(host: str, port: int, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host.strip("[]"), port), family=family, backlog=1024, reuse_port=shared)


class _Server(uvicorn.Server):
    """uvicorn inside our program: signals are the program's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
