"""A search from its query to its page."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import msgspec

from penstock.auth.access import Access
from penstock.clock import Clock
from penstock.db import Tx
from penstock.errors import Problem
from penstock.formats.fhir.searchparams import extract
from penstock.store.change import Stored
from penstock.store.compartment import bounds
from penstock.store.read import Reader
from penstock.store.search import include
from penstock.store.search.compile import compile
from penstock.store.search.criterion import Criterion
from penstock.store.search.cursor import seal, unseal
from penstock.store.search.fragment import Fragment, Target
from penstock.store.search.match import matches
from penstock.store.search.parse import Include, Query
from penstock.store.search.plan import After, count_sql, page_sql
from penstock.store.search.sort import Order, order_of, sort_in_memory
from penstock.store.search.statistics import Statistics
from penstock.store.tables import Tables

#: Rows that one search may look at again in memory, or sort there.
CANDIDATES = 10_000
_OLDEST_FIRST = Order("r.rid", "(r.rid + 0)", "int8", False)


class Entry(NamedTuple):
    """One resource of a page, and why it is there."""

    stored: Stored
    mode: Literal["match", "include"]


class Page(NamedTuple):
    """One page. ``next`` is the ``_cursor`` of the following one.

    ``used`` are the pairs for the self link, ``ignored`` the names of parameters that were left out.
    """

    entries: list[Entry]
    total: int | None
    next: str | None
    used: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]


class Search:
    """Searches within the tables of one store. ``limit_s`` is how long one statement may run."""

    def __init__(self, reader: Reader, tables: Tables, clock: Clock, limit_s: float) -> None:
        self._reader = reader
        self._tables = tables
        self._clock = clock
        self._limit_s = limit_s
        self._statistics = Statistics(clock)
        self._key: bytes | None = None

    async def page(self, tx: Tx, access: Access, query: Query) -> Page:
        """One page of ``query``, and what it includes."""
        access.require("search", query.type)
        bounds(access, query.type)
        if not await self._tables.exist(tx, query.type):
            self._compiled(access, query)  # a bad value is refused all the same
            return Page([], None if query.total == "none" and not query.count_only else 0, None, query.used, query.ignored)
        total = await self._total(tx, access, query)
        if query.count_only:
            return Page([], total, None, query.used, query.ignored)
        order = order_of(query)
        after = unseal(await self._secret(tx), access, query, query.cursor) if query.cursor else None
        found, last = await (self._walk(tx, access, query, order, after) if order else self._sorted(tx, access, query, after))
        entries = [Entry(stored, "match") for stored in found]
        entries += [Entry(stored, "include") for stored in await self._included(tx, access, query, found)]
        following = seal(await self._secret(tx), access, query, last) if last else None
        return Page(entries, total, following, query.used, query.ignored)

    async def _walk(self, tx: Tx, access: Access, query: Query, order: Order, after: After | None) -> tuple[list[Stored], After | None]:
        """Up to a page of matches in an order that SQL gives, and where they end if there are more."""
        found: list[tuple[Stored, After]] = []
        wanted, seen = query.count + 1, 0
        while True:
            exact, rows = await self._rows(tx, access, query, order, wanted, after)
            for row in rows:
                after = After(row["key"], row["self"])
                stored = await self._reader.stored(tx, query.type, row)
                if exact or self._holds(query, stored):
                    found.append((stored, after))
            seen += len(rows)
            if len(rows) < wanted or len(found) > query.count:
                break
            if seen > CANDIDATES:
                raise _too_costly()
            wanted = min(wanted * 4, 1000)
        page = found[: query.count]
        return [stored for stored, _ in page], page[-1][1] if page and len(found) > query.count else None

    async def _sorted(self, tx: Tx, access: Access, query: Query, after: After | None) -> tuple[list[Stored], After | None]:
        """The same for an order made in memory, out of a limited number of candidates. The cursor is a place in that order."""
        exact, rows = await self._rows(tx, access, query, _OLDEST_FIRST, CANDIDATES + 1, None)
        if len(rows) > CANDIDATES:
            raise Problem("too-costly", "too many resources match to sort them by that: narrow the search", at="_sort")
        candidates: list[tuple[Any, Any, Any]] = []
        for row in rows:
            stored = await self._reader.stored(tx, query.type, row)
            resource = stored.resource()
            indexed = extract(resource)
            if exact or matches(query, indexed, resource, self._clock.now()):
                candidates.append(((stored, row["self"]), resource, indexed))
        ordered = [identity for identity, _, _ in sort_in_memory(candidates, query)]
        start = _place(ordered, after)
        page = ordered[start : start + query.count]
        more = len(ordered) > start + query.count
        return [stored for stored, _ in page], After(start + query.count, page[-1][1]) if more and page else None

    async def _rows(
        self, tx: Tx, access: Access, query: Query, order: Order, limit: int, after: After | None
    ) -> tuple[bool, Sequence[Any]]:
        target, fragments = self._compiled(access, query)
        counts = await self._statistics.of(tx, query.type)
        sql = page_sql(target, fragments, order, counts, limit, after)
        return all(each.exact for each in fragments), await self._timed(tx.fetch(sql, *target.args))

    def _compiled(self, access: Access, query: Query) -> tuple[Target, list[Fragment]]:
        """Every criterion, and the patient's compartment when the access is bound to one."""
        target = Target(access.tenant, query.type, self._clock.now())
        fragments = [compile(target, criterion) for criterion in query.criteria]
        inside = bounds(access, query.type)
        if inside is not None:
            patient, tokens = target.add(inside.pat, "int8"), target.add(list(inside.tokens), "int8[]")
            fragments.append(Fragment(f"(r.pat = {patient} or r.tok && {tokens})", drive="few"))
        return target, fragments

    async def _total(self, tx: Tx, access: Access, query: Query) -> int | None:
        """The number of matches: none unless asked for; counted, or with ``estimate`` planned beyond a limit."""
        if query.total == "none" and not query.count_only:
            return None
        target, fragments = self._compiled(access, query)
        counts = await self._statistics.of(tx, query.type)
        if not all(each.exact for each in fragments):
            return await self._count_in_memory(tx, access, query)
        if query.total != "estimate":
            return int(await self._timed(tx.fetchval(count_sql(target, fragments, counts), *target.args)))
        few = int(await self._timed(tx.fetchval(count_sql(target, fragments, counts, CANDIDATES + 1), *target.args)))
        if few <= CANDIDATES:
            return few
        target, fragments = self._compiled(access, query)
        sql = count_sql(target, fragments, counts).replace("select count(*)", "explain (format json) select 1", 1)
        planned = msgspec.json.decode(await tx.fetchval(sql, *target.args))[0]["Plan"]["Plan Rows"]
        return max(int(planned), few)

    async def _count_in_memory(self, tx: Tx, access: Access, query: Query) -> int:
        everything = replace(query, count=CANDIDATES, sort=(), total="none")
        found, more = await self._walk(tx, access, everything, _OLDEST_FIRST, None)
        if more:
            raise _too_costly()
        return len(found)

    async def _included(self, tx: Tx, access: Access, query: Query, found: Sequence[Stored]) -> list[Stored]:
        keys = include.forward(access, query, found) if query.includes and found else []
        included = await self._reader.read_many(tx, access, keys) if keys else {}
        for reverse in query.revincludes if found else ():
            if include.may_read(access, reverse.source) and access.permits("search", reverse.source):
                for stored in await self._pointing(tx, access, reverse, found):
                    included.setdefault((stored.type, stored.id), stored)
        for stored in found:
            included.pop((stored.type, stored.id), None)
        return list(included.values())

    async def _pointing(self, tx: Tx, access: Access, reverse: Include, found: Sequence[Stored]) -> list[Stored]:
        if not await self._tables.exist(tx, reverse.source):
            return []
        values = tuple(f"{stored.type}/{stored.id}" for stored in found)
        query = Query(reverse.source, (Criterion(reverse.param, "reference", "", values),), count=include.MOST)
        pointing, more = await self._walk(tx, access, query, _OLDEST_FIRST, None)
        if more:
            raise Problem("too-costly", "this page would include too many resources: ask for fewer with _count", at="_revinclude")
        return pointing

    def _holds(self, query: Query, stored: Stored) -> bool:
        resource = stored.resource()
        return matches(query, extract(resource), resource, self._clock.now())

    async def _timed(self, statement: Any) -> Any:
        try:
            async with asyncio.timeout(self._limit_s):
                return await statement
        except TimeoutError:
            raise Problem("too-costly", "this search takes longer than a search may: narrow it") from None

    async def _secret(self, tx: Tx) -> bytes:
        if self._key is None:
            self._key = bytes(await tx.fetchval("select key from store_secret"))
        return self._key


def _place(ordered: Sequence[tuple[Stored, int]], after: After | None) -> int:
    """Where the next page begins: behind the last resource of the page before, or, if that is gone, at the same distance."""
    if after is None:
        return 0
    at = next((index for index, (_, self) in enumerate(ordered) if self == after.self), None)
    return int(after.key) if at is None else at + 1


def _too_costly() -> Problem:
    return Problem("too-costly", "this search looks at too many resources: add a criterion that narrows it")
