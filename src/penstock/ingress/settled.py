"""Waiting until a message is processed, for interfaces whose acknowledgement means that (``ack: processed``)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from penstock.db import Database
from penstock.errors import Problem, explain
from penstock.inbox import Row, rows

#: States in which nothing more happens to a message by itself.
_FINAL = frozenset({"stored", "filtered", "quarantined"})


class Settling:
    """``await settling(inbox_id)`` gives the Problem in which a message ended, or None. One question to the database for all who wait."""

    def __init__(self, database: Database, *, every_s: float = 0.02) -> None:
        self._database = database
        self._every_s = every_s
        self._waiting: dict[int, set[asyncio.Future[Problem | None]]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def __call__(self, inbox_id: int) -> Problem | None:
        future: asyncio.Future[Problem | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(inbox_id, set()).add(future)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        try:
            return await future
        finally:
            self._leave(inbox_id, future)

    def _leave(self, inbox_id: int, future: asyncio.Future[Problem | None]) -> None:
        """Forget one who has been told, or has given up."""
        others = self._waiting.get(inbox_id, set())
        others.discard(future)
        if not others:
            self._waiting.pop(inbox_id, None)

    async def _look(self) -> None:
        """While somebody waits: ask, tell, pause."""
        try:
            while self._waiting:
                async with self._database.connection() as tx:
                    self._tell(await rows(tx, list(self._waiting)))
                await asyncio.sleep(self._every_s)
        except Exception as error:
            self._refuse(explain(error))
        finally:
            self._looking = None

    def _tell(self, found: Sequence[Row]) -> None:
        for row in found:
            if row.state in _FINAL:
                problem = Problem(row.code, row.text or "", at=row.at or "") if row.code and row.state == "quarantined" else None
                self._resolve(row.inbox_id, problem)

    def _resolve(self, inbox_id: int, problem: Problem | None) -> None:
        for future in self._waiting.pop(inbox_id, set()):
            if not future.done():
                future.set_result(problem)

    def _refuse(self, problem: Problem) -> None:
        """The outcome cannot be known now: whoever waits is told to try again."""
        waiting, self._waiting = self._waiting, {}
        for future in (future for futures in waiting.values() for future in futures if not future.done()):
            future.set_exception(Problem(problem.code, problem.text))
