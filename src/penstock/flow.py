"""The flow, on one screen: claim → convert → match → store → done.

A batch of messages over many lanes is one transaction: what they became, its lineage, its events and the inbox's ``done`` commit
together or not at all. When a batch fails, its messages are processed one by one, so that one bad message costs only itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from prometheus_client import Counter, Histogram

from penstock import inbox, log, stewardship
from penstock.audit import lineage
from penstock.audit.way import microseconds
from penstock.auth.access import SYSTEM
from penstock.clock import Chance, Clock
from penstock.convert import Context, Converted, Plan, Steward, convert
from penstock.convert.mend import mended, without
from penstock.convert.orphans import orphans
from penstock.convert.shifts import Shift
from penstock.convert.state import Moment, Record, Statement, moment, statements
from penstock.db import Bell, Database, Tx
from penstock.errors import Problem, explain
from penstock.formats.fhir.validate import require_sound
from penstock.formats.hl7v2 import parse
from penstock.inbox import Received
from penstock.match import Identities
from penstock.records import Records, key_of
from penstock.shifting import Led, Shifting, act_of, is_bare, keys_of, numbered, renamed, unknot
from penstock.store import Cause, Change, Store, Written
from penstock.store.batch import Item
from penstock.store.identified import owners

_log = log.get("flow")
_MESSAGES = Counter("penstock_flow_messages_total", "Messages that the flow finished, by outcome.", ["interface", "outcome"])
_SECONDS = Histogram("penstock_flow_stage_seconds", "Time of one message in one stage.", ["stage"])

#: So often may the program end with a message at its first attempts before that message is held to be the reason.
_DEATHS = 10

#: Why a value of a message is in no version of its resource.
STALE = "something newer is stored already"
NOTHING_LEFT = "nothing is left of the resource that it belongs to"

Resource = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Ways:
    """How the messages of one interface are converted. ``filters`` are triggers (``ADT^A60``) that are accepted and not stored.

    ``order`` says what orders its messages: the times that they carry, or their arrival.
    """

    plan: Plan
    context: Callable[[Received], Context]
    charset: str | None = None
    fallback: str | None = None
    filters: frozenset[str] = frozenset()
    order: str = "event-time"


@dataclass
class Work:
    """One message on its way; exactly one of ``converted``, ``problem`` and ``filtered`` is set."""

    received: Received
    converted: Converted | None = None
    moment: Moment | None = None
    problem: Problem | None = None
    filtered: str = ""
    converted_at: datetime | None = None
    written: list[Written] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    #: for each record the place of its resource in the message
    places: list[int] = field(default_factory=list)
    shifts: Sequence[Shift] = ()
    led: list[Led] = field(default_factory=list)
    #: The stage that it is in, and those that it has passed: name, when that began (microseconds since 1970), how long it took.
    stage: str = "parsed"
    passed: list[tuple[str, int, int]] = field(default_factory=list)


class Flow:
    """Works off the inbox until it is cancelled. Several flows, in one program or many, share the lanes between them."""

    def __init__(
        self,
        *,
        database: Database,
        store: Store,
        ways: Mapping[str, Ways],
        clock: Clock,
        chance: Chance,
        inbox_bell: Bell,
        batch: int,
        retry_s: float,
        attempts: int,
    ) -> None:
        self._database, self._store, self._ways = database, store, ways
        self._clock, self._chance = clock, chance
        self._inbox_bell = inbox_bell
        self._batch, self._retry_s, self._attempts = batch, retry_s, attempts

    async def run(self) -> None:
        """Process whatever is in the inbox, then wait for more. Trouble with the database is waited out."""
        careful = self._batch
        while True:
            try:
                if careful:
                    careful = careful - 1 if await self._alone(mark=True) else 0
                elif not await self.step():
                    await self._inbox_bell.wait(1.0)
            except Problem as problem:
                _log.warning("flow.trouble", code=problem.code, text=problem.text)
                await asyncio.sleep(0.5)

    async def step(self) -> int:
        """Process one batch; how many messages it finished or postponed."""
        try:
            count = await self._together()
        except Exception as error:
            problem = explain(error)
            _log.info("flow.batch_failed", code=problem.code, text=problem.text, origin=log.origin(error))
            count = 0
            while count < self._batch and await self._alone():
                count += 1
        return count

    async def _together(self) -> int:
        async with self._database.transaction() as tx:
            received = await inbox.claim(tx, limit=self._batch)
            if not received:
                return 0
            works = [Work(message) for message in received]
            for work in works:
                await self._convert(work)
            await self._finish(tx, works)
        for work in works:
            _MESSAGES.labels(work.received.interface, _outcome(work)).inc()
        return len(works)

    async def _alone(self, *, mark: bool = False) -> bool:
        """Process the oldest message by itself; its failure is settled in the transaction that still holds its lane.

        The first messages after a start are marked before they are tried: a message that ends the program each time (with all the
        memory there is, say) is known by its marks, and quarantined when it has too many.
        """
        async with self._database.transaction() as tx:
            received = await inbox.claim(tx, limit=1)
            if not received:
                return False
            work = Work(received[0])
            try:
                if mark:
                    await self._mark(work.received)
                async with tx.transaction():
                    await self._convert(work)
                    await self._finish(tx, [work])
            except Exception as error:
                await self._settle(tx, work, explain(error), log.origin(error))
        return True

    async def _mark(self, message: Received) -> None:
        """Count an attempt that is about to be made, in a transaction of its own, so that the count outlives us."""
        if message.attempts >= max(self._attempts, _DEATHS):
            raise Problem("exception", "the program ended each time that it processed this message")
        async with self._database.transaction() as tx:
            await inbox.mark(tx, message.inbox_id)

    async def _settle(self, tx: Tx, work: Work, problem: Problem, origin: str) -> None:
        received, now = work.received, self._clock.now()
        tried = received.attempts + 1
        if problem.meaning.retry and tried < self._attempts:
            wait = self._retry_s * 2 ** (tried - 1) * self._chance.uniform(0.5, 1.0)
            await inbox.postpone(tx, received.inbox_id, problem, now + timedelta(seconds=wait), stage=work.stage, now=now)
        else:
            await inbox.bury(tx, received.inbox_id, problem, hold=problem.code == "exception", stage=work.stage, now=now)
        _log.warning(
            "message.stopped",
            inbox_id=received.inbox_id,
            code=problem.code,
            text=problem.text,
            at=problem.at,
            attempts=tried,
            origin=origin,
        )

    async def _convert(self, work: Work) -> None:
        """The message as resources, or why not. Pure work of about a millisecond, so the loop gets a turn after each."""
        received, started = work.received, time.perf_counter()
        ways = self._ways.get(received.interface)
        if ways is None:
            work.stage, work.problem = "authorised", Problem("business-rule", "the interface of this message is no longer in the site")
            return
        if f"{received.type}^{received.trigger}" in ways.filters:
            work.filtered = "the interface filters this trigger"
            return
        try:
            context = ways.context(received)
            with self._stage("parsed", work):
                message = parse(received.raw, charset=ways.charset, fallback=ways.fallback)
            with self._stage("mapped", work):
                work.converted = convert(message, ways.plan, context)
                work.moment = moment(message, context, order=ways.order, number=received.inbox_id)
        except Problem as problem:
            if problem.meaning.retry:
                raise
            work.problem = problem
        work.converted_at = self._clock.now()
        _SECONDS.labels("convert").observe(time.perf_counter() - started)
        await asyncio.sleep(0)

    @contextmanager
    def _stage(self, stage: str, *works: Work) -> Iterator[None]:
        """Messages are in a stage, and pass it when nothing is raised; of several each took its part of the time."""
        for work in works:
            work.stage = stage
        began, started = microseconds(self._clock.now()), time.perf_counter()
        yield
        took = int((time.perf_counter() - started) * 1_000_000) // len(works)
        for work in works:
            work.passed.append((stage, began, took))

    async def _finish(self, tx: Tx, works: Sequence[Work]) -> None:
        """Match, store, keep the lineage, and say done: everything that one commit makes true."""
        started = time.perf_counter()
        good = [work for work in works if work.converted is not None]
        if good:
            await self._store_all(tx, good)
            await lineage.record(tx, [self._lineage(work) for work in good])
            await stewardship.note(tx, [_unknown(work) for work in good], self._clock.now())
        finished = [
            (work.received.inbox_id, "filtered" if work.filtered else "stored", work.filtered) for work in works if not work.problem
        ]
        if finished:
            await inbox.done(tx, finished, now=self._clock.now())
        for work in works:
            if work.problem:
                await inbox.bury(tx, work.received.inbox_id, work.problem, stage=work.stage, now=self._clock.now())
        _SECONDS.labels("store").observe((time.perf_counter() - started) / len(works))

    async def _store_all(self, tx: Tx, works: Sequence[Work]) -> None:
        """Each resource of each message onto what is stored, in the order of the messages. A merge is done before the next message."""
        for run in _runs(works):
            await self._store_run(tx, run)

    async def _store_run(self, tx: Tx, works: Sequence[Work]) -> None:
        messages = [work.converted for work in works if work.converted]
        await self._store.ensure(self._database, {resource["resourceType"] for one in messages for resource in one.resources})
        described = [[*one.resources, *(shift.named for shift in one.shifts if shift.named)] for one in messages]
        identities = await Identities.load(described, partial(self._owners, tx))
        messages = [renamed(one, identities.names(resources)) for one, resources in zip(messages, described, strict=True)]
        records = Records(tx, self._store)
        await records.load({key for one in messages for key in keys_of(one)})
        before, items = records.survivors.copy(), list[tuple[Work, Item]]()
        for work, converted in zip(works, messages, strict=True):
            with self._stage("validated", work):
                items += [(work, item) for item in self._items(work, converted, records)]
        with self._stage("stored", *works):
            written = records.check(await self._store.write_items(tx, [item for _, item in items]))
            await records.keep()
            for (work, _), outcome in zip(items, written, strict=True):
                work.written.append(outcome)
            for work in works:
                if work.shifts and work.moment:
                    shifting = Shifting(tx, self._store, records, before, work.moment.mark, self._cause(work))
                    work.led = await shifting.settle(work.shifts)

    def _items(self, work: Work, converted: Converted, records: Records) -> Iterator[Item]:
        """What a message makes of the records, which it changes."""
        assert work.moment is not None
        converted, more = numbered(renamed(converted, records.called), records, work.moment.mark)
        work.shifts = converted.shifts
        for place, statement in enumerate((*statements(converted, work.moment), *more)):
            if is_bare(statement) and records.get(key_of(statement.resource)).resource is None:
                continue
            yield self._item(work, statement, records, place if place < len(converted.resources) else -1)
        for shift in converted.shifts:
            for statement in unknot(records, shift.left) if shift.verb == "into" else ():
                yield self._item(work, statement, records)

    def _item(self, work: Work, statement: Statement, records: Records, place: int = -1) -> Item:
        """One write; ``place`` is that of the resource in the message, -1 for what no resource of it says."""
        key = key_of(statement.resource)
        before, statement = records.get(key), records.follow(statement)
        try:
            record = records.fold(statement)
        except Problem:
            statement = statement._replace(resource=_mend(work, place, statement.resource))
            record = records.fold(statement)
        work.records.append(record)
        work.places.append(place)
        return Item(SYSTEM, Change("update", *key, resource=record.resource), self._cause(work, act_of(before, record)))

    def _cause(self, work: Work, act: str = "") -> Cause:
        return Cause(work.received.trace_id, work.received.inbox_id, work.received.interface, self._clock.now(), act=act)

    async def _owners(self, tx: Tx, identifiers: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], frozenset[str]]:
        return await owners(tx, SYSTEM, "Patient", identifiers)

    def _lineage(self, work: Work) -> lineage.Record:
        assert work.converted is not None
        assert work.converted_at is not None
        steps: list[list[tuple[str, str, str]]] = [[] for _ in work.written]
        created = [place for place, made in zip(work.places, work.written, strict=True) if made.op == "create" and place >= 0]
        remainder = work.converted.remainder + orphans(work.converted, created)
        at = {place: number for number, place in enumerate(work.places)}
        for index, path, rule, source in work.converted.lineage:
            number = at.get(index, -1)
            if number < 0 or (work.records[number].lost and _top(path) in work.records[number].lost):
                remainder.append((source, STALE if number >= 0 else NOTHING_LEFT))
            else:
                steps[number].append((path, rule, source))
        made = [lineage.Made(w.type, w.id, w.ver, of) for w, of in zip(work.written, steps, strict=True)]
        made += [lineage.Made(w.type, w.id, w.ver, [(path, "shift", work.received.trigger) for path in paths]) for w, paths in work.led]
        converted, inbox_id = work.converted, work.received.inbox_id
        return lineage.Record(
            inbox_id, converted.version, work.converted_at, made, remainder, converted.steward, converted.structure, work.passed
        )


def _runs(works: Sequence[Work]) -> Iterator[Sequence[Work]]:
    """Messages that may be stored together: one that shifts records is by itself, because what it does reaches the records of others."""
    together: list[Work] = []
    for work in works:
        if work.converted and (work.converted.shifts or work.converted.gone):
            if together:
                yield together
            yield [work]
            together = []
        else:
            together.append(work)
    if together:
        yield together


def _mend(work: Work, place: int, resource: Resource) -> Resource:
    """A resource of a message without what R4 does not allow in it; what that came from is left over."""
    assert work.converted is not None
    out, removed = mended(resource, require_sound)
    if place >= 0:
        work.converted = without(work.converted, place, removed)
    return out


def _unknown(work: Work) -> tuple[str, int, Sequence[Steward]]:
    """The codes of a message that nobody knows yet."""
    assert work.converted is not None
    return work.received.interface, work.received.inbox_id, work.converted.steward


def _top(path: str) -> str:
    """The property of the resource that an element path begins with."""
    return path.partition(".")[0].partition("[")[0]


def _outcome(work: Work) -> str:
    return "quarantined" if work.problem else "filtered" if work.filtered else "stored"
