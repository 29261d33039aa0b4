"""A change of definitions is answered when every process knows it: the barrier between them.

Strategy. Changes are numbered after they have committed. Each process holds, as a shared advisory lock, the number up to which it knows the
definitions; when it has learned more it locks the newer number and lets the older go. Whoever changed something waits until nobody holds an
older number. A process that dies loses its lock with its connection, so nobody waits for it.
"""

from __future__ import annotations

import asyncio
from typing import Any

from penstock import log
from penstock.db import Database, named_sql

_SQL = named_sql(__package__)
_LOCKS = 0x70646566  # "pdef"
_APART_S = 0.004
_WAIT_S = 2.0
_log = log.get("definitions")


class Barrier:
    """One for a process. The lock lives on a connection of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._line: Any = None
        self._held: int | None = None

    async def now(self) -> int:
        """The number of the last change that has committed."""
        async with self._database.connection() as tx:
            return int(await tx.fetchval(_SQL["generation"]))

    async def reach(self, generation: int) -> None:
        """This process knows everything up to ``generation``, as read by :meth:`now` before it looked."""
        if self._line is None or self._line.is_closed():
            self._line, self._held = await self._database.open(), None
        if generation == self._held:
            return
        await self._line.execute("select pg_advisory_lock_shared($1, $2)", _LOCKS, generation)
        if self._held is not None:
            await self._line.execute("select pg_advisory_unlock_shared($1, $2)", _LOCKS, self._held)
        self._held = generation

    async def raise_it(self) -> int:
        """Something has changed and is committed: its number."""
        async with self._database.connection() as tx:
            return int(await tx.fetchval(_SQL["next_generation"]))

    async def passed(self, generation: int) -> None:
        """Return when every process has reached ``generation``; one that is stuck is not waited for longer than two seconds."""
        try:
            async with asyncio.timeout(_WAIT_S):
                while await self._behind(generation):  # noqa: ASYNC110 # the others are other processes
                    await asyncio.sleep(_APART_S)
        except TimeoutError:
            _log.warning("definitions.late", seconds=_WAIT_S)

    async def _behind(self, generation: int) -> bool:
        async with self._database.connection() as tx:
            return bool(await tx.fetchval(_SQL["behind"], _LOCKS, generation))

    async def close(self) -> None:
        """Let go."""
        if self._line is not None:
            self._line.terminate()
