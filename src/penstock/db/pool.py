"""Connections and transactions over asyncpg.

The driver's own pool sends a reset query at each release (about 55 µs); ours hands out a connection for a whole batch and
does not, because every use of it is a transaction or a single statement. A connection that broke is replaced at its next use.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import asyncpg

from penstock.errors import Problem

Row = Any  # asyncpg.Record: row["name"] and row[0]


class Tx(Protocol):
    """An open transaction (or a single connection): what the owners of tables are given, always as their first argument."""

    async def execute(self, sql: str, *args: object) -> str: ...
    async def executemany(self, sql: str, args: Iterable[Sequence[object]]) -> None: ...
    async def fetch(self, sql: str, *args: object) -> list[Row]: ...
    async def fetchrow(self, sql: str, *args: object) -> Row | None: ...
    async def fetchval(self, sql: str, *args: object) -> Any: ...
    async def copy_records_to_table(self, table: str, *, records: Iterable[Sequence[object]], columns: Sequence[str]) -> str: ...
    def cursor(self, sql: str, *args: object, prefetch: int = ...) -> AsyncIterator[Row]: ...


#: SQLSTATE (or its class) to the code of the Problem that it is.
_STATES: dict[str, str] = {
    "40001": "conflict",
    "40P01": "conflict",
    "55P03": "lock-error",
    "57014": "timeout",
    "53": "no-store",
    "57": "transient",
    "58": "no-store",
    "08": "transient",
    "23505": "duplicate",
}


def explain_database(error: BaseException) -> Problem:
    """The Problem that an exception of the driver is: the one door for foreign exceptions of this library."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        code = _STATES.get(state) or _STATES.get(state[:2]) or "exception"
        return Problem(code, f"the database refused this ({type(error).__name__})")
    return Problem("transient", "the database cannot be reached")


_FOREIGN = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


class Database:
    """A fixed number of connections to one PostgreSQL."""

    def __init__(self, url: str, size: int) -> None:
        self._url = url
        self._size = size
        self._idle: list[asyncpg.Connection] = []
        self._free = asyncio.Semaphore(size)
        self._closed = False

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Tx]:
        """A connection for as long as the block runs, outside any transaction (each statement commits by itself)."""
        async with self._free:
            connection = await self._take()
            try:
                yield connection
            except _FOREIGN as error:
                raise explain_database(error) from error
            finally:
                self._give(connection)

    @asynccontextmanager
    async def transaction(self, *, readonly: bool = False, isolation: str = "read_committed") -> AsyncIterator[Tx]:
        """A transaction: commits when the block ends, rolls back when it raises. Driver errors come out as Problems."""
        async with self.connection() as connection, connection.transaction(isolation=isolation, readonly=readonly):  # type: ignore[attr-defined]
            yield connection

    async def listen(self, channel: str, wake: asyncio.Event) -> None:
        """Set ``wake`` at each NOTIFY on ``channel``; keeps listening over broken connections until cancelled."""
        while True:
            try:
                connection = await asyncpg.connect(self._url)
                try:
                    gone = asyncio.Event()
                    connection.add_termination_listener(lambda _: gone.set())
                    await connection.add_listener(channel, lambda *_: wake.set())
                    wake.set()
                    await gone.wait()
                finally:
                    connection.terminate()
            except _FOREIGN:
                pass
            await asyncio.sleep(0.2)

    async def close(self) -> None:
        """Close every idle connection; those in use are closed when they come back."""
        self._closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            try:
                await connection.close(timeout=5)
            except (*_FOREIGN, TimeoutError):
                connection.terminate()

    async def _take(self) -> asyncpg.Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        try:
            connection = await asyncpg.connect(self._url, server_settings={"application_name": "penstock"}, timeout=10)
        except (*_FOREIGN, TimeoutError) as error:
            raise explain_database(error) from error
        return connection

    def _give(self, connection: asyncpg.Connection) -> None:
        if self._closed or connection.is_closed() or connection.is_in_transaction():
            connection.terminate()
        else:
            self._idle.append(connection)


_GUARDS = {"fsync": ("on",), "full_page_writes": ("on",), "synchronous_commit": ("on", "remote_write", "remote_apply")}


async def connect(url: str, *, size: int = 8) -> Database:
    """A Database with up to ``size`` connections, checked: PostgreSQL 15 or newer, and durable (invariant 1), else ``no-store``."""
    database = Database(url, size)
    async with database.connection() as tx:
        if int(await tx.fetchval("show server_version_num")) < 150000:
            raise Problem("no-store", "PostgreSQL 15 or newer is needed")
        for setting, allowed in _GUARDS.items():
            if await tx.fetchval(f"show {setting}") not in allowed:
                raise Problem("no-store", f"PostgreSQL runs with an unsafe {setting}: an acknowledged message could be lost")
    return database
