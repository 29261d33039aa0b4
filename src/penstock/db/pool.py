"""Connections and transactions over asyncpg.

The driver's own pool sends a reset query at each release (about 55 µs); ours hands out a connection for a whole batch and
does not, because every use of it is a transaction or a single statement. A connection that broke is replaced at its next use, and one
whose user was cancelled is never handed on: what the server still does for it is unknown.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import asyncpg

from penstock.db.problems import FOREIGN, explain_database, may_come_back
from penstock.errors import Problem

Row = Any  # asyncpg.Record: row["name"] and row[0]


class Tx(Protocol):
    """An open transaction (or a single connection): what the owners of tables are given, always as their first argument."""

    async def execute(self, sql: str, *args: object, timeout: float | None = None) -> str: ...
    async def executemany(self, sql: str, args: Iterable[Sequence[object]]) -> None: ...
    async def fetch(self, sql: str, *args: object) -> list[Row]: ...
    async def fetchrow(self, sql: str, *args: object) -> Row | None: ...
    async def fetchval(self, sql: str, *args: object) -> Any: ...
    async def copy_records_to_table(self, table: str, *, records: Iterable[Sequence[object]], columns: Sequence[str]) -> str: ...
    def cursor(self, sql: str, *args: object, prefetch: int = ...) -> AsyncIterator[Row]: ...
    def transaction(self) -> AbstractAsyncContextManager[object]:
        """A part that can fail alone (a savepoint, inside a transaction)."""
        ...


class _Connection(asyncpg.Connection):  # type: ignore[misc] # the driver has no types
    """A connection that remembers what its last command did: a COMMIT of a failed transaction succeeds, as ``ROLLBACK``."""

    tag = ""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.afterwards: list[Callable[[], None]] = []

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:
        self.tag = await super().execute(query, *args, timeout=timeout)
        return self.tag


#: What each session is told. A transaction whose owner sleeps is ended, so that it cannot stop vacuum and locks for ever. To start a
#: parallel worker takes longer than most statements, and there is a statement for each core already.
_SESSION = {
    "application_name": "penstock",
    "timezone": "UTC",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "idle_in_transaction_session_timeout": "60s",
}


class Database:
    """At most ``size`` connections to one PostgreSQL.

    ``timeout_s`` bounds each statement and ``wait_s`` the wait for a free connection. A server that is just starting (or restarting
    after a crash) is waited for, for ``patience_s``.
    """

    def __init__(self, url: str, size: int, *, timeout_s: float = 60, wait_s: float = 30, patience_s: float = 5) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._wait_s = wait_s
        self._patience_s = patience_s
        self._idle: list[_Connection] = []
        self._free = asyncio.Semaphore(size)
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Tx]:
        """A connection for as long as the block runs, outside any transaction (each statement commits by itself)."""
        async with self._leased() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self, *, readonly: bool = False, isolation: str = "read_committed") -> AsyncIterator[Tx]:
        """A transaction: commits when the block ends, rolls back when it raises. Driver errors come out as Problems."""
        async with self._leased() as connection:
            transaction = connection.transaction(isolation=isolation, readonly=readonly)
            connection.afterwards.clear()
            await transaction.start()
            try:
                yield connection
            except Exception:
                await _roll_back(connection, transaction)
                raise
            await transaction.commit()
            if connection.tag == "ROLLBACK":
                raise Problem("exception", "a transaction went on although a statement in it had failed: nothing of it was kept")
            for call in connection.afterwards:
                call()

    async def open(self) -> _Connection:
        """A connection apart from the pool, for whoever needs one for itself (such as a listener); theirs to close."""
        delay = 0.02
        deadline = asyncio.get_running_loop().time() + self._patience_s
        while True:
            try:
                connection: _Connection = await asyncpg.connect(
                    self._url, connection_class=_Connection, server_settings=_SESSION, timeout=10, command_timeout=self._timeout_s
                )
                return connection
            except (*FOREIGN, OSError, ValueError) as error:
                if not may_come_back(error) or asyncio.get_running_loop().time() > deadline:
                    raise explain_database(error) from error
            await asyncio.sleep(delay)
            delay = min(delay * 2, 0.5)

    async def close(self) -> None:
        """Close every idle connection; those in use are closed when they come back."""
        self._closed = True
        while self._idle:
            self._retire(self._idle.pop())
        await asyncio.gather(*self._closing)

    @asynccontextmanager
    async def _leased(self) -> AsyncIterator[_Connection]:
        await self._wait()
        try:
            connection = await self._take()
            settled = False
            try:
                yield connection
                settled = True
            except FOREIGN as error:
                settled = True
                raise explain_database(error) from error
            except TimeoutError:
                raise
            except Exception:
                settled = True
                raise
            finally:  # not settled: cancelled or timed out, perhaps in the middle of a statement
                self._give(connection, settled)
        finally:
            self._free.release()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._wait_s):
                await self._free.acquire()
        except TimeoutError:
            raise Problem("transient", "all connections to the database are busy") from None

    async def _take(self) -> _Connection:
        if self._closed:
            raise Problem("transient", "this program is stopping")
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return await self.open()

    def _give(self, connection: _Connection, settled: bool) -> None:
        if connection.is_closed():
            return
        if self._closed or not settled or connection.is_in_transaction():
            self._retire(connection)
        else:
            self._idle.append(connection)

    def _retire(self, connection: _Connection) -> None:
        """Close in the background: closing waits for the cancellation of a running statement to reach the server."""
        task = asyncio.create_task(_close(connection))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def after_commit(tx: Tx, call: Callable[[], None]) -> None:
    """Have ``call`` called when the transaction ``tx`` has committed, and not when it rolls back: for bells, which only hasten."""
    assert isinstance(tx, _Connection)
    tx.afterwards.append(call)


async def _close(connection: _Connection) -> None:
    try:
        await connection.close(timeout=5)
    except (*FOREIGN, OSError):
        connection.terminate()


async def _roll_back(connection: _Connection, transaction: Any) -> None:
    """Roll back; a connection on which that fails is broken, and the first error is the one to tell."""
    try:
        if not connection.is_closed():
            await transaction.rollback()
    except (*FOREIGN, OSError):
        connection.terminate()


_GUARDS = {"fsync": ("on",), "full_page_writes": ("on",), "synchronous_commit": ("on", "remote_apply")}


async def connect(url: str, *, size: int = 8, timeout_s: float = 60, wait_s: float = 30, patience_s: float = 5) -> Database:
    """A :class:`Database`, checked: PostgreSQL 15 or newer, not a replica, and durable (invariant 1), else ``no-store``."""
    database = Database(url, size, timeout_s=timeout_s, wait_s=wait_s, patience_s=patience_s)
    try:
        async with database.connection() as tx:
            await _guard(tx)
    except BaseException:
        await database.close()
        raise
    return database


async def _guard(tx: Tx) -> None:
    if int(await tx.fetchval("show server_version_num")) < 150000:
        raise Problem("no-store", "PostgreSQL 15 or newer is needed")
    if await tx.fetchval("select pg_is_in_recovery()"):
        raise Problem("no-store", "this PostgreSQL is a replica: the primary is needed")
    for setting, allowed in _GUARDS.items():
        if await tx.fetchval(f"show {setting}") not in allowed:
            raise Problem("no-store", f"PostgreSQL runs with an unsafe {setting}: an acknowledged message could be lost")
