"""Group commit: messages of all connections that arrive while one transaction commits become the next transaction.

One writer takes everything that waits, inserts it with one statement, commits with one fsync, then answers each. There is no timer:
a lone message commits at once, and under load the batches grow by themselves.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Self

from penstock.db import Database
from penstock.errors import Problem, explain
from penstock.inbox.accept import accept
from penstock.inbox.message import Accepted, Arrival

#: Problems of the database and not of a row: trying row by row would not help, and nobody is told that it worked.
_TROUBLE = frozenset({"transient", "timeout", "no-store", "lock-error"})

_Waiting = tuple[Arrival, "asyncio.Future[Accepted]"]


class Receiver:
    """``async with Receiver(database) as receiver: accepted = await receiver.submit(arrival)``. Leaving the block answers all who wait.

    ``max_rows`` and ``max_bytes`` bound a transaction. ``max_waiting`` bounds those who wait for one: more of them wait to get in.
    """

    def __init__(self, database: Database, *, max_rows: int = 500, max_bytes: int = 8 * 2**20, max_waiting: int = 5000) -> None:
        self._database = database
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._room = asyncio.Semaphore(max_waiting)
        self._queue: deque[_Waiting] = deque()
        self._bell = asyncio.Event()
        self._closed = True
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._closed = False
        self._writer = asyncio.create_task(self._write())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closed = True
        self._bell.set()
        if self._writer is not None:
            await self._writer

    async def submit(self, arrival: Arrival) -> Accepted:
        """Record a message; returns when it is durable. Raises a Problem when it is not known to be: never acknowledge then."""
        async with self._room:
            if self._closed:
                raise Problem("transient", "this program is stopping")
            future: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()
            self._queue.append((arrival, future))
            self._bell.set()
            return await future

    async def _write(self) -> None:
        while self._queue or not self._closed:
            if self._queue:
                await self._commit(self._take())
            else:
                self._bell.clear()
                await self._bell.wait()

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._queue and len(batch) < self._max_rows and size < self._max_bytes:
            arrival, future = self._queue.popleft()
            if not future.done():  # whoever waited was cancelled
                batch.append((arrival, future))
                size += len(arrival.raw)
        return batch

    async def _commit(self, batch: list[_Waiting]) -> None:
        """Record a batch and answer everyone in it; when it fails because of a row, each row by itself."""
        if not batch:
            return
        try:
            async with self._database.transaction() as tx:
                answers = await accept(tx, [arrival for arrival, _ in batch])
        except Exception as error:
            problem = explain(error)
            if len(batch) == 1 or problem.code in _TROUBLE:
                _refuse(batch, problem)
            else:
                for waiting in batch:
                    await self._commit([waiting])
        else:
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)


def _refuse(batch: list[_Waiting], problem: Problem) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(Problem(problem.code, problem.text, at=problem.at))
