"""A bell between processes: rung where work is made, heard where work is done. It only hastens: who waits also looks every while.

NOTIFY takes a lock that makes commits wait for each other, so it never runs in a writer's transaction: the bell sends it afterwards,
on a connection of its own, at most every 20 ms.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self
from weakref import WeakKeyDictionary

from penstock.db.pool import Database
from penstock.db.problems import FOREIGN
from penstock.errors import Problem

_APART_S = 0.02  # between two NOTIFYs
_RETRY_S = 0.2  # after a lost connection


class Bell:
    """``async with Bell(database, "penstock_inbox") as bell``; then ``bell.ring()`` after a commit, ``await bell.wait(1.0)`` elsewhere."""

    def __init__(self, database: Database, channel: str) -> None:
        self._database = database
        self._channel = channel
        self._rings = 0
        self._heard: WeakKeyDictionary[asyncio.Task[Any], int] = WeakKeyDictionary()
        self._sound = asyncio.Event()
        self._due = asyncio.Event()
        self._line: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._line = asyncio.create_task(self._keep_line())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._line is not None:
            self._line.cancel()
            await asyncio.gather(self._line, return_exceptions=True)

    def ring(self) -> None:
        """Wake everyone who waits here now, and everyone who waits elsewhere soon."""
        self._wake()
        self._due.set()

    async def wait(self, timeout_s: float) -> bool:
        """Whether the bell rang since this task last waited, at the latest after ``timeout_s``. A task that is busy misses no ring."""
        task = asyncio.current_task()
        assert task is not None
        if self._heard.get(task, 0) == self._rings:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._sound.wait()
            except TimeoutError:
                return False
        self._heard[task] = self._rings
        return True

    def _wake(self) -> None:
        self._rings += 1
        self._sound.set()
        self._sound = asyncio.Event()

    def _heard_from(self, connection: Any, pid: int, *_: object) -> None:
        if pid != connection.get_server_pid():
            self._wake()

    async def _keep_line(self) -> None:
        while True:
            try:
                await self._use_line()
            except (Problem, *FOREIGN, OSError):
                await asyncio.sleep(_RETRY_S)

    async def _use_line(self) -> None:
        """One connection that listens and notifies, until it breaks."""
        connection = await self._database.open()
        try:
            connection.add_termination_listener(lambda _: self._due.set())
            await connection.add_listener(self._channel, self._heard_from)
            self._wake()  # what was rung while nobody listened
            while True:
                await self._due.wait()
                self._due.clear()
                await connection.execute("select pg_notify($1, '')", self._channel)
                await asyncio.sleep(_APART_S)
        finally:
            connection.terminate()
