"""One search on its way: on whose behalf, in which transaction, and how long it may still take."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import msgspec

from penstock.auth.access import Access
from penstock.clock import Clock
from penstock.db import Tx
from penstock.errors import Problem
from penstock.formats.fhir.searchparams import Parameters
from penstock.store.change import Stored
from penstock.store.compartment import bounds
from penstock.store.read import Reader
from penstock.store.search.compile import compile
from penstock.store.search.condition import Condition, Inside
from penstock.store.search.fragment import Target
from penstock.store.search.plan import After, Branch, list_sql, page_sql
from penstock.store.search.sort import Order
from penstock.store.search.statistics import Statistics
from penstock.store.tables import Tables

#: Rows of a type from which on a statement that no index drives is planned before it runs, and what PostgreSQL may think it costs: about
#: as much as is done in the time that a search has.
LARGE, CEILING = 200_000, 2_000_000

_SETTINGS = ("enable_sort", "enable_seqscan", "enable_hashjoin")
_IN_ORDER = ";".join(f"set local {name} = off" for name in _SETTINGS)
_AS_USUAL = ";".join(f"set local {name} = on" for name in _SETTINGS)


class Tools(NamedTuple):
    """What every search of a store uses. ``limit_s`` is how long the statements of one search may take together."""

    reader: Reader
    tables: Tables
    statistics: Statistics
    clock: Clock
    limit_s: float


class Wanted(NamedTuple):
    """What must hold of the resources of one type. Links are followed already."""

    type: str
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A search that is compiled: what is wanted, and its branches. Each statement takes a copy, to add arguments of its own."""

    wanted: tuple[Wanted, ...]
    branches: tuple[Branch, ...]

    @property
    def exact(self) -> bool:
        """Whether SQL decides everything."""
        return all(branch.exact for branch in self.branches)

    @property
    def driven(self) -> bool:
        """Whether an index finds the rows, or there are few to look at."""
        return all(
            branch.counts.rows < LARGE or not branch.fragments or any(each.drive or each.tokens for each in branch.fragments)
            for branch in self.branches
        )

    def fresh(self) -> list[Branch]:
        """The branches for one statement."""
        args = list(self.branches[0].target.args)
        return [branch._replace(target=replace(branch.target, args=args)) for branch in self.branches]

    def undecided(self, part: int) -> list[Condition]:
        """The conditions of a branch that SQL has not decided for the rows that it let through."""
        fragments = self.branches[part].fragments
        return [each for each, fragment in zip(self.wanted[part].conditions, fragments, strict=True) if not fragment.exact]


class Run:
    """A search in progress."""

    def __init__(self, tx: Tx, access: Access, tools: Tools) -> None:
        self.tx = tx
        self.access = access
        self.tools = tools
        self.now: datetime = tools.clock.now()
        self._deadline = tools.clock.monotonic() + tools.limit_s

    def may_search(self, type: str) -> bool:
        """Whether the access could find any resource of a type."""
        return self.access.permits("search", type) and self.is_open(type)

    def is_open(self, type: str) -> bool:
        """Whether a type is not closed to a patient's access."""
        try:
            bounds(self.access, type)
        except Problem:
            return False
        return True

    def inside(self, type: str) -> tuple[Condition, ...]:
        """The compartment that every select of a type keeps to, when the access is bound to one."""
        found = bounds(self.access, type)
        return () if found is None else (Inside(found.pat, tuple(found.tokens)),)

    @property
    def parameters(self) -> Parameters:
        """The search parameters in force."""
        return self.tools.reader.index.parameters

    async def plan(self, *wanted: Wanted) -> Plan:
        """Compile; every type has its tables."""
        args: list[object] = []
        branches = []
        for type, conditions in wanted:
            target = Target(self.access.tenant, type, self.now, args, self.parameters)
            fragments = [compile(target, condition) for condition in conditions]
            branches.append(Branch(target, fragments, await self.tools.statistics.of(self.tx, type)))
        return Plan(wanted, tuple(branches))

    def check(self, type: str, conditions: Sequence[Condition]) -> None:
        """Refuse a bad value although there is nothing to search in."""
        for condition in conditions:
            compile(Target(self.access.tenant, type, self.now, parameters=self.parameters), condition)

    async def rows(self, plan: Plan, order: Order, limit: int, after: After) -> Sequence[Any]:
        """Rows in an order, from a place on."""
        branches = plan.fresh()
        statement = page_sql(branches, order, limit, after)
        args = branches[0].target.args
        if not plan.driven:
            await self.afford(statement.sql, args)
        fetch = partial(self.tx.fetch, statement.sql, *args)
        return await (self._in_order(fetch) if statement.sorted else self.timed(fetch()))  # type: ignore[no-any-return] # rows of the driver

    async def list(self, plan: Plan, columns: str, limit: int) -> Sequence[Any]:
        """Columns of rows in no order."""
        branch = plan.fresh()[0]
        sql = list_sql(branch, columns, limit)
        return await self.timed(self.tx.fetch(sql, *branch.target.args))  # type: ignore[no-any-return] # rows of the driver

    async def planned(self, sql: str, args: Sequence[object]) -> dict[str, Any]:
        """What PostgreSQL thinks of a statement."""
        planned = await self.timed(self.tx.fetchval(f"explain (format json) {sql}", *args))
        plan: dict[str, Any] = msgspec.json.decode(planned)[0]["Plan"]
        return plan

    async def afford(self, sql: str, args: Sequence[object]) -> None:
        """Refuse a statement that would take too long before it has taken any time."""
        if (await self.planned(sql, args))["Total Cost"] > CEILING:
            raise Problem("too-costly", "this search would look at too much: add a criterion that an index can find")

    async def _in_order(self, fetch: Callable[[], Awaitable[Any]]) -> Any:
        """The result of a statement that reads an index in its order, whatever the planner thinks of sorting everything."""
        async with self.tx.transaction():
            await self.tx.execute(_IN_ORDER)
            rows = await self.timed(fetch())
            await self.tx.execute(_AS_USUAL)
        return rows

    async def stored(self, type: str, rows: Sequence[Any]) -> builtins.list[Stored]:
        """The versions that rows hold."""
        return await self.tools.reader.stored_all(self.tx, type, rows)

    async def exist(self, type: str) -> bool:
        """Whether a type has tables."""
        return await self.tools.tables.exist(self.tx, type)

    def in_time(self) -> None:
        """Refuse to go on when the time of the search is over."""
        if self.tools.clock.monotonic() > self._deadline:
            raise _too_long()

    async def timed(self, statement: Awaitable[Any]) -> Any:
        """The result of a statement, if it comes in time."""
        try:
            async with asyncio.timeout(self._deadline - self.tools.clock.monotonic()):
                return await statement
        except TimeoutError:
            raise _too_long() from None


def _too_long() -> Problem:
    return Problem("too-costly", "this search takes longer than a search may: narrow it")
