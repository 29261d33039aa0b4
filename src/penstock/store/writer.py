"""Group commit for single writes: what waits together is committed together, each with an answer of its own.

One task takes everything that waits (up to ``most``), writes it as one batch in one transaction, and only after the commit resolves
each caller's future. No timer: while one batch commits, the next gathers, and whoever is about to ask when it begins comes along. A batch
that fails as a whole is done again one by one, so that one bad change costs its neighbours nothing but time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from penstock.auth.access import Access
from penstock.db import Database
from penstock.errors import Problem, explain
from penstock.store.batch import Item
from penstock.store.change import Cause, Change, Written
from penstock.store.store import Outcome, Store

#: Problems after which nobody knows whether the batch was committed, or which the next attempt would only meet again.
_UNSURE = frozenset(("transient", "timeout", "no-store"))


#: Turns of the event loop from the bytes of a request to its change: read, begun, asked.
_TURNS = 3


class _Waiting(NamedTuple):
    item: Item
    answer: asyncio.Future[Written]


class Writer:
    """``async with Writer(database, store) as writer``: leaving the block waits for what was accepted."""

    def __init__(self, database: Database, store: Store, *, most: int = 500, waiting: int = 10_000) -> None:
        self._database = database
        self._store = store
        self._most = most
        self._limit = waiting
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Writer:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def start(self) -> None:
        """Begin to work; needs a running event loop."""
        self._task = asyncio.create_task(self._work(), name="store-writer")

    async def close(self) -> None:
        """Refuse what comes from now on, finish what was accepted, and stop."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task

    async def submit(self, access: Access, change: Change, cause: Cause) -> Written:
        """Write one change; returns after its commit, or raises its Problem."""
        if self._closing:
            raise Problem("transient", "the program is stopping")
        if len(self._waiting) >= self._limit:
            raise Problem("throttled", "too many writes are waiting")
        answer: asyncio.Future[Written] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(Item(access, change, cause), answer))
        self._wake.set()
        return await answer

    async def _work(self) -> None:
        while self._waiting or not self._closing:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            await self._gather()
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            batch = [each for each in batch if not each.answer.done()]  # a caller who went away before we began
            for each, outcome in zip(batch, await self._commit([each.item for each in batch]), strict=True):
                _settle(each.answer, outcome)

    async def _gather(self) -> None:
        """Let come along whose requests have arrived: a turn of the loop costs microseconds, a commit of its own a millisecond."""
        before = 0
        while before < len(self._waiting) < self._most:
            before = len(self._waiting)
            for _ in range(_TURNS):
                await asyncio.sleep(0)

    async def _commit(self, items: Sequence[Item]) -> list[Outcome]:
        try:
            return await self._together(items)
        except Exception as error:
            problem = explain(error)
        if len(items) == 1 or problem.code in _UNSURE:
            return [problem] * len(items)
        return [outcome for item in items for outcome in await self._commit([item])]

    async def _together(self, items: Sequence[Item]) -> list[Outcome]:
        await self._store.ensure(self._database, {item.change.type for item in items})
        async with self._database.transaction() as tx:
            return await self._store.write_items(tx, items)


def _settle(answer: asyncio.Future[Written], outcome: Outcome) -> None:
    if answer.done():  # the caller gave up; the change is committed all the same
        return
    if isinstance(outcome, Problem):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
