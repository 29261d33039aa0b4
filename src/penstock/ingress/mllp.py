"""The MLLP listener: who may connect, for how long, and how it stops without losing what it acknowledged."""

from __future__ import annotations

import asyncio
import ssl
from types import TracebackType
from typing import Self

from penstock import log
from penstock.errors import Problem
from penstock.ingress.connection import Connection, Limits, Open
from penstock.ingress.intake import Intake
from penstock.settings import Settings

#: Seconds that messages under way have, once the listener stops.
STOP_S = 20.0


class Mllp:
    """``async with Mllp(intake, settings) as mllp:`` serves at ``mllp.host`` and ``mllp.port`` until the block is left.

    Leaving stops accepting, answers every message that was received whole, then closes.
    """

    def __init__(self, intake: Intake, settings: Settings) -> None:
        limits = Limits(
            max_bytes=settings.mllp_max_bytes,
            max_connections=settings.mllp_max_connections,
            idle_s=settings.mllp_idle_s,
            frame_s=settings.mllp_frame_s,
            rate=settings.mllp_rate,
        )
        self.host, self.port = address(settings.mllp)
        self._open = Open(intake, limits)
        self._settings = settings
        self._tls = tls_context(settings)
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._server = await self._listen()
        self.port = self._server.sockets[0].getsockname()[1]
        self._sweeper = asyncio.create_task(self._sweep())
        log.get("ingress").info("mllp.listening", port=self.port)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._server is not None
        assert self._sweeper is not None
        self._server.close()
        self._sweeper.cancel()
        connections = tuple(self._open.connections)
        for connection in connections:
            connection.stop()
        waiting = {connection.closed for connection in connections} | self._open.tasks
        if waiting:
            await asyncio.wait(waiting, timeout=STOP_S)
        for connection in tuple(self._open.connections):
            connection.end("stopping")

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._open.connections)

    def reload_tls(self) -> None:
        """Read the certificate files again; connections that are open keep what they have."""
        if self._tls is not None:
            _load(self._tls, self._settings)

    async def _listen(self) -> asyncio.Server:
        try:
            return await asyncio.get_running_loop().create_server(
                lambda: Connection(self._open),
                self.host,
                self.port,
                ssl=self._tls,
                ssl_handshake_timeout=min(self._settings.mllp_frame_s, 30.0) if self._tls else None,
                backlog=512,
            )
        except OSError as error:
            raise Problem("conflict", "the MLLP address cannot be used: another program has it, or it is none of this machine") from error

    async def _sweep(self) -> None:
        """End the connections that are overdue."""
        loop = asyncio.get_running_loop()
        limits = self._open.limits
        while True:
            await asyncio.sleep(min(1.0, limits.frame_s / 4, limits.idle_s / 4))
            now = loop.time()
            for connection in tuple(self._open.connections):
                if reason := connection.overdue(now):
                    connection.end(reason)


def address(text: str) -> tuple[str, int]:
    """``HOST:PORT`` or ``[IPv6]:PORT`` as its two parts."""
    host, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise Problem("invalid", "the MLLP address is not HOST:PORT")
    return host.strip("[]"), int(port)


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """The TLS side of the listener (1.2 or newer; mutual where authorities are set), or None where no certificate is set."""
    if settings.mllp_tls_cert is None:
        if settings.mllp_tls_client_ca is not None or settings.mllp_tls_key is not None:
            raise Problem("invalid", "mllp_tls_key and mllp_tls_client_ca need mllp_tls_cert")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, settings)
    return context


def _load(context: ssl.SSLContext, settings: Settings) -> None:
    assert settings.mllp_tls_cert is not None
    try:
        context.load_cert_chain(settings.mllp_tls_cert, settings.mllp_tls_key)
        if settings.mllp_tls_client_ca is not None:
            context.load_verify_locations(settings.mllp_tls_client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        raise Problem("invalid", "the TLS certificate, key or authorities of the MLLP listener cannot be read") from None
