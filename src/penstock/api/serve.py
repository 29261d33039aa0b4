"""The HTTP server around the application: uvicorn with our loop, our signals and our logs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Protocol, cast

import uvicorn

from penstock.api.deal import Dealer, Hand
from penstock.api.protocol import Http
from penstock.errors import Problem

#: Seconds that requests under way have, once the server stops.
_STOP_S = 10


class Served(Protocol):
    """An ASGI application that can be told to end its streams."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    def close(self) -> None: ...


@asynccontextmanager
async def serving(app: Served, address: str, dealer: Dealer | None = None) -> AsyncIterator[str]:
    """Serve ``app`` at ``HOST:PORT`` (port 0: a free one) until the block is left; yields its URL. A ``dealer`` hands connections on.

    Leaving ends the streams, lets requests under way finish, then closes. An address that cannot be bound is ``conflict``.
    """
    listening = _listen(address)
    async with _running(app, partial(Http, dealer=dealer), [listening]):
        yield f"http://{address.rpartition(':')[0]}:{listening.getsockname()[1]}"


@asynccontextmanager
async def taking(app: Served, hand: Hand, end: Callable[[], None]) -> AsyncIterator[None]:
    """Serve the connections that another process deals to us until the block is left; ``end`` is called when it deals no more."""
    loop = asyncio.get_running_loop()
    begun: set[asyncio.Task[Any]] = set()

    def take(connection: socket.socket) -> None:
        connection.setblocking(False)
        task = loop.create_task(loop.connect_accepted_socket(server.protocol, connection))
        begun.add(task)
        task.add_done_callback(begun.discard)

    async with _running(app, partial(Http, hand=hand), []) as server:
        hand.begin(take, end)
        try:
            yield
        finally:
            hand.stop()


@asynccontextmanager
async def _running(app: Served, http: Callable[..., Http], sockets: list[socket.socket]) -> AsyncIterator[_Server]:
    server = _Server(
        uvicorn.Config(
            app, http=cast(type[Http], http), loop="none", lifespan="off", log_config=None, access_log=False, server_header=False,
            proxy_headers=False, timeout_graceful_shutdown=_STOP_S,
        )
    )  # fmt: skip
    server.config.load()
    task = asyncio.create_task(server.serve(sockets=sockets), name="api")
    try:
        yield server
    finally:
        app.close()
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), int(port)), family=family, backlog=1024)
    except (OSError, ValueError) as error:
        raise Problem("conflict", "the HTTP address cannot be used: another program has it, or it is none of this machine") from error


class _Server(uvicorn.Server):
    """uvicorn inside our program: signals are the program's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def protocol(self) -> asyncio.BaseProtocol:
        """What speaks with one connection."""
        return self.config.http_protocol_class(config=self.config, server_state=self.server_state, app_state={})  # type: ignore[call-arg] # uvicorn's own call
