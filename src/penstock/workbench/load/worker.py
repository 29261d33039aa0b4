"""One of the processes that load: it reads, checks and writes a batch, in a transaction of its own."""

from __future__ import annotations

import asyncio
import gc
import re
import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import uvloop

from penstock import log
from penstock.api.fhir.links import conditional_references, relink
from penstock.audit.unwritten import Few, Unwritten, record
from penstock.audit.way import FHIR, Way, encode, microseconds
from penstock.auth.access import SYSTEM
from penstock.clock import Clock, SystemClock
from penstock.db import Database, connect
from penstock.errors import Problem
from penstock.store import Cause, Change, Store, Written
from penstock.store.batch import Item
from penstock.workbench.load.files import Piece
from penstock.workbench.load.opened import Begun, open_store
from penstock.workbench.load.unpack import Resource, unpack

#: Who caused the versions, as their events say.
CLIENT = "penstock-load"
_DOOR = "load"
_REMEMBERED = 50_000
#: What a batch without conditional references does not hold.
_CONDITIONAL = re.compile(rb'"reference"\s*:\s*"[A-Za-z]+(\?|\\)')


class Place(NamedTuple):
    """Where a resource was read: ``file`` is a number among the files, ``line`` 0 for a whole document, ``entry`` -1 outside a Bundle."""

    file: int
    line: int
    entry: int


class Refused(NamedTuple):
    """What was not loaded, and why; ``trace_id`` is where a trace tells of it."""

    place: Place
    code: str
    text: str
    at: str
    type: str = ""
    trace_id: str = ""


class Done(NamedTuple):
    """What became of a batch: how many of each (type, deed), and what was refused."""

    counts: Counter[tuple[str, str]]
    refused: list[Refused]


class Worker:
    """``most`` records of what wrote nothing are kept. ``found`` are the conditional references that were looked up."""

    def __init__(self, database: Database, store: Store, clock: Clock, *, most: int) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._most = most
        self._found: dict[str, str] = {}

    async def close(self) -> None:
        """Nothing more comes."""
        await self._database.close()

    async def load(self, batch: Sequence[Piece]) -> Done:
        """Write what is good in a batch, and tell what is not. A batch is one trace."""
        trace_id, began = uuid.uuid4().hex, self._clock.now()
        refused: list[Refused] = []
        good: list[tuple[Place, Resource]] = []
        for piece in batch:
            for entry, resource in unpack(piece.data):
                place = Place(piece.file, piece.line, entry)
                if isinstance(resource, Problem):
                    refused.append(_refused(place, resource))
                else:
                    good.append((place, resource))
        if any(_CONDITIONAL.search(piece.data) for piece in batch):
            good = await self._resolved(good, refused)
        await self._store.ensure(self._database, {resource["resourceType"] for _, resource in good})
        counts: Counter[tuple[str, str]] = Counter()
        for (place, resource), outcome in zip(good, await self._written([each for _, each in good], trace_id, began), strict=True):
            if isinstance(outcome, Written):
                counts[resource["resourceType"], outcome.op] += 1
            else:
                refused.append(_refused(place, outcome, resource["resourceType"]))
        await self._note(refused, trace_id, began)
        return Done(counts, [each._replace(trace_id=trace_id) for each in refused])

    async def _note(self, refused: Sequence[Refused], trace_id: str, began: datetime) -> None:
        """Keep what wrote nothing where a trace finds it."""
        few, way = Few(), encode(Way(_DOOR, "", "", FHIR, microseconds(began), 0))
        for each in refused:
            few.add(Unwritten(began, trace_id, way, CLIENT, each.type, "validated", each.code, each.text, each.at))
        if refused:
            async with self._database.transaction() as tx:
                await record(tx, few.records(), most=self._most)

    async def _written(self, resources: Sequence[Resource], trace_id: str, began: datetime) -> Sequence[Written | Problem]:
        """By COPY; when somebody else stored one of them at the same moment, the usual way."""
        now = self._clock.now()
        validated = microseconds(now) - microseconds(began)
        way = encode(Way(_DOOR, "", SYSTEM.granted("update", "*"), FHIR, microseconds(began), 0, validated))
        cause = Cause(trace_id, None, CLIENT, now, way)
        items = [Item(SYSTEM, Change("update", each["resourceType"], each["id"], each), cause) for each in resources]
        try:
            async with self._database.transaction() as tx:
                return await self._store.load(tx, items)
        except Problem:
            async with self._database.transaction() as tx:
                return await self._store.write_items(tx, items)

    async def _resolved(self, good: Sequence[tuple[Place, Resource]], refused: list[Refused]) -> list[tuple[Place, Resource]]:
        """The same with conditional references looked up; one that finds nothing, or several, refuses its resource."""
        found = []
        for place, resource in good:
            try:
                wanted = list(conditional_references(resource))
                links = {each: await self._look_up(each) for each in wanted}
                found.append((place, relink(resource, links, resource["resourceType"]) if links else resource))
            except Problem as problem:
                refused.append(_refused(place, problem))
        return found

    async def _look_up(self, reference: str) -> str:
        if reference not in self._found:
            type, _, query = reference.partition("?")
            async with self._database.transaction(readonly=True) as tx:
                page = await self._store.search(tx, SYSTEM, type, f"{query}&_count=2")
            if len(page.entries) != 1:
                raise Problem("not-found", "a conditional reference finds nothing that is stored yet, or several resources")
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            self._found[reference] = f"{type}/{page.entries[0].stored.id}"
        return self._found[reference]


def _refused(place: Place, problem: Problem, type: str = "") -> Refused:
    return Refused(place, problem.code, problem.text, problem.at, type)


# What follows runs in a worker process: one Worker, made when the process begins.

_runner: asyncio.Runner | None = None
_worker: Worker | None = None


def begin(begun: Begun) -> None:
    """Connect; called once in each process."""
    global _runner, _worker
    gc.set_threshold(200_000, 20, 100)  # resources hold no cycles: looking for them is rarely worth it
    log.configure(begun.log_level)
    _runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    _worker = _runner.run(_opened(begun))


async def _opened(begun: Begun) -> Worker:
    database, clock, settings = await connect(begun.url, size=3, timeout_s=600), SystemClock(), begun.settings()
    return Worker(database, await open_store(settings, database, clock), clock, most=settings.unwritten_most)


def work(batch: Sequence[Piece]) -> Done:
    """Load one batch in this process."""
    assert _runner is not None
    assert _worker is not None
    return _runner.run(_worker.load(batch))


def end() -> None:
    """Let go of the database."""
    global _runner, _worker
    if _runner is not None and _worker is not None:
        _runner.run(_worker.close())
        _runner.close()
    _runner = _worker = None
