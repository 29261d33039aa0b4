"""Write requests that wrote nothing, and why: refused, or nothing was to be changed.

What was written tells of its own way; of what was not, there would be nothing to be found. A record holds who, when, which interaction and
type, and a Problem: never a value. It is made in memory and written some at a time, off the path of the request, so that refusing costs
no more than answering. Of many of one kind within a second a few are kept and the others counted, and the newest so many stay at all:
a flood of bad requests fills no disk.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from prometheus_client import Counter as Metric

from penstock import log
from penstock.db import Database, Tx, named_sql
from penstock.errors import Problem

_SQL = named_sql(__package__, "unwritten.sql")
_log = log.get("audit")
_COUNT = Metric("penstock_unwritten_total", "Write requests that wrote nothing, by whether each has a record of its own.", ["kept"])

#: Records of one kind, and of all kinds, that are kept within one period.
EACH, ALL = 5, 250
PERIOD_S = 1.0
#: Characters of our own words and paths that are kept.
_LONGEST = 500
#: The kind of what is only counted because there was too much of everything.
_REST = Problem("throttled", "so many requests of many kinds wrote nothing at this moment that these are only counted")


class Unwritten(NamedTuple):
    """One request. ``stage`` is the one that it did not pass, ``code`` is "" where nothing was to be changed; ``more`` were like it."""

    moment: datetime
    trace_id: str
    way: str
    client: str
    type: str
    stage: str
    code: str
    text: str
    at: str
    problems: int = 1
    more: int = 0

    @property
    def kind(self) -> tuple[str, ...]:
        """What makes two of them alike."""
        return self.client, self.type, self.stage, self.code, self.text, self.at


class Few:
    """What came within one period: a few records of each kind and of all kinds together, and how many more there were."""

    def __init__(self) -> None:
        self._kept: list[Unwritten] = []
        self._places: dict[tuple[str, ...], list[int]] = {}
        self._more: Counter[tuple[str, ...]] = Counter()
        self._rest = 0

    def add(self, record: Unwritten) -> bool:
        """Whether it has a record of its own. Our own words are cut where they are long."""
        places = self._places.get(record.kind)
        full = len(self._kept) >= ALL
        if places is None and full:
            self._rest += 1
        elif places is not None and (full or len(places) >= EACH):
            self._more[record.kind] += 1
        else:
            self._places.setdefault(record.kind, []).append(len(self._kept))
            self._kept.append(record._replace(text=record.text[:_LONGEST], at=record.at[:_LONGEST]))
            return True
        return False

    def records(self) -> list[Unwritten]:
        """To be written: the last of each kind says how many more there were, and one more record those of the kinds that found no room."""
        found = list(self._kept)
        for kind, count in self._more.items():
            place = self._places[kind][-1]
            found[place] = found[place]._replace(more=count)
        if self._rest:
            moment = found[-1].moment
            found.append(Unwritten(moment, "", "", "", "", "received", _REST.code, _REST.text, "", self._rest, self._rest - 1))
        return found


class Ledger:
    """``async with Ledger(database, most=100_000) as ledger``: ``ledger.note(…)``; leaving the block writes what is left."""

    def __init__(self, database: Database, *, most: int, period_s: float = PERIOD_S) -> None:
        self._database = database
        self._most = most
        self._period_s = period_s
        self._few = Few()
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Ledger:
        self._task = asyncio.create_task(self._work(), name="unwritten")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task

    def note(self, record: Unwritten) -> None:
        """Remember one; it is written within a second or so."""
        _COUNT.labels("yes" if self._few.add(record) else "no").inc()
        self._wake.set()

    async def _work(self) -> None:
        while not self._closing:
            await self._wake.wait()
            self._wake.clear()
            if not self._closing:
                await self._pause()
            await self._write()
        await self._write()

    async def _pause(self) -> None:
        """One period, or until we stop."""
        try:
            async with asyncio.timeout(self._period_s):
                while not self._closing:
                    await self._wake.wait()
                    self._wake.clear()
        except TimeoutError:
            pass

    async def _write(self) -> None:
        """What cannot be written is said in the log: it was told to who asked, and holds nothing that was accepted."""
        few, self._few = self._few, Few()
        if not (records := few.records()):
            return
        try:
            async with self._database.transaction() as tx:
                await record(tx, records, most=self._most)
        except Problem as problem:
            _log.warning("unwritten.lost", count=len(records), code=problem.code, text=problem.text)


async def record(tx: Tx, records: Sequence[Unwritten], *, most: int) -> None:
    """Write records, and keep the newest ``most`` of all."""
    await tx.execute(_SQL["record"], *map(list, zip(*records, strict=True)))
    await tx.execute(_SQL["keep"], most)


async def of_traces(tx: Tx, trace_ids: Sequence[str], *, limit: int = 1000) -> list[Unwritten]:
    """The records of these traces, oldest first."""
    return [Unwritten(*row) for row in await tx.fetch(_SQL["of_traces"], list(trace_ids), limit)]


async def newest(
    tx: Tx, below: int, client: str | None, since: datetime | None, until: datetime | None, limit: int
) -> list[tuple[int, Unwritten]]:
    """(number, record), newest first: those with a number below, of a client (None: of any) and a span of time."""
    rows = await tx.fetch(_SQL["newest"], below, client, since, until, limit)
    return [(row[0], Unwritten(*tuple(row)[1:])) for row in rows]


async def drop(tx: Tx, before: datetime) -> None:
    """Forget what is older."""
    await tx.execute(_SQL["drop"], before)
