"""``Prefer: respond-async`` (http://hl7.org/fhir/R4/async.html): the answer is 202 and a place where the real one will be.

The work is a task of the process that took the request; its answer is a row that every process can read. A process that ends loses
its tasks: who asks is told so, once nothing has been heard of the task for a while. Answers are kept for a day, for who asked only.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from penstock.api.parts import Parts
from penstock.api.reply import FHIR_JSON, Reply
from penstock.api.request import Request
from penstock.db import named_sql
from penstock.errors import Problem

_SQL = named_sql(__package__, "later.sql")

#: Tasks of one process, and seconds that one may take.
_MOST, _LONGEST_S = 16, 3600.0
#: A task is heard of this often; when it was not heard of for so long it is lost.
_BEAT_S, _LOST = 5.0, timedelta(seconds=30)
_KEPT = timedelta(days=1)
_RETRY = (b"retry-after", b"1")

Work = Callable[[], Awaitable[Reply]]


class Later:
    """The tasks of one process. ``refuse`` makes the answer that an error is."""

    def __init__(self, refuse: Callable[[Exception, Request], Reply]) -> None:
        self._refuse = refuse
        self._tasks: dict[uuid.UUID, asyncio.Task[None]] = {}

    def close(self) -> None:
        """Give up what is being done."""
        for task in self._tasks.values():
            task.cancel()

    async def begin(self, parts: Parts, request: Request, work: Work) -> Reply:
        """Start ``work``; 202, and where to ask for its answer."""
        if len(self._tasks) >= _MOST:
            raise Problem("throttled", "too many requests are being answered later")
        id_ = uuid.uuid4()
        async with parts.database.transaction() as tx:
            await tx.execute(_SQL["forget_old"], _KEPT)
            await tx.execute(_SQL["begin"], id_, request.access.client, request.access.tenant)
        self._tasks[id_] = asyncio.create_task(self._run(parts, request, id_, work), name="later")
        return Reply(202, headers=((b"content-location", f"{request.base}/fhir/_async/{id_}".encode()), _RETRY))

    async def _run(self, parts: Parts, request: Request, id_: uuid.UUID, work: Work) -> None:
        beats = asyncio.create_task(_beat(parts, id_), name="later-beat")
        try:
            reply = await self._done(parts, request, work)
            async with parts.database.transaction() as tx:
                await tx.execute(_SQL["end"], id_, reply.status, reply.body)
        except Exception as error:  # it will be found lost
            self._refuse(error, request)
        finally:
            beats.cancel()
            del self._tasks[id_]

    async def _done(self, parts: Parts, request: Request, work: Work) -> Reply:
        try:
            async with asyncio.timeout(_LONGEST_S):
                reply = await work()
                await parts.settle()
                return reply
        except Exception as error:
            return self._refuse(error, request)

    def cancel(self, id_: uuid.UUID) -> None:
        """Give up one task, if it is one of this process."""
        if task := self._tasks.get(id_):
            task.cancel()


async def _beat(parts: Parts, id_: uuid.UUID) -> None:
    while True:
        await asyncio.sleep(_BEAT_S)
        async with parts.database.transaction() as tx:
            await tx.execute(_SQL["beat"], id_)


async def status(parts: Parts, request: Request) -> Reply:
    """``GET /fhir/_async/{job}``: 202 while it is being worked on, then the answer as it would have come."""
    async with parts.database.connection() as tx:
        row: Any = await tx.fetchrow(_SQL["look"], *_whose(request), _LOST)
    if row is None:
        raise Problem("not-found", "there is no such answer, or it is no longer kept")
    if row["status"] is not None:
        return Reply(row["status"], row["body"] or b"", FHIR_JSON)
    if row["lost"]:
        raise Problem("transient", "the program ended before this was done: nothing or all of a transaction was stored, ask again")
    return Reply(202, headers=((b"x-progress", b"in progress"), _RETRY))


async def remove(parts: Parts, request: Request) -> Reply:
    """``DELETE /fhir/_async/{job}``: give it up, or forget its answer."""
    async with parts.database.transaction() as tx:
        gone = await tx.fetchval(_SQL["remove"], *_whose(request))
    if gone is None:
        raise Problem("not-found", "there is no such answer, or it is no longer kept")
    request.later.cancel(gone)
    return Reply(202)


def _whose(request: Request) -> tuple[uuid.UUID, str, str]:
    try:
        return uuid.UUID(request.params["job"]), request.access.client, request.access.tenant
    except ValueError:
        raise Problem("not-found", "there is no such answer, or it is no longer kept") from None
