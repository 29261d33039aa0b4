"""A search from its query to its page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from penstock.auth.access import Access
from penstock.clock import Clock
from penstock.db import Tx
from penstock.errors import Problem
from penstock.store.change import Stored
from penstock.store.compartment import bounds
from penstock.store.read import Reader
from penstock.store.search import total
from penstock.store.search.candidates import CANDIDATES, Candidate, decoded, keep, read, too_costly
from penstock.store.search.condition import And, Condition
from penstock.store.search.cursor import Sealer
from penstock.store.search.include import Included
from penstock.store.search.link import follow
from penstock.store.search.plan import After
from penstock.store.search.query import Query
from penstock.store.search.run import Plan, Run, Tools, Wanted
from penstock.store.search.sort import OLDEST_FIRST, Order, orders_of, sort_in_memory
from penstock.store.search.statistics import Statistics
from penstock.store.tables import Tables

_BEGINNING = After(0, (), 0)


class Entry(NamedTuple):
    """One resource of a page, and why it is there."""

    stored: Stored
    mode: Literal["match", "include"]


class Page(NamedTuple):
    """One page.

    ``links`` are relations and the ``_cursor`` of each: next, previous, last; self, where it has one. ``used`` are the pairs for the self
    link, ``ignored`` the names of parameters that were left out, ``notes`` what else to tell the caller. ``total`` is there when it was
    asked for, or is known without counting.
    """

    entries: list[Entry]
    total: int | None
    links: dict[str, str]
    used: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def next(self) -> str | None:
        """The ``_cursor`` of the following page."""
        return self.links.get("next")


class Found(NamedTuple):
    """The matches of a page, and the places before and behind it where there is more."""

    matches: list[Match]
    before: After | None
    behind: After | None


class Match(NamedTuple):
    """A match, the row and the phase that it was found by, and what it says where that was read already."""

    stored: Stored
    row: Any
    phase: int
    candidate: Candidate | None


class Search:
    """Searches within the tables of one store. ``limit_s`` is how long the statements of one search may take."""

    def __init__(self, reader: Reader, tables: Tables, clock: Clock, limit_s: float) -> None:
        self._tools = Tools(reader, tables, Statistics(clock), clock, limit_s)
        self._key: bytes | None = None

    async def page(self, tx: Tx, access: Access, query: Query) -> Page:
        """One page of ``query``, and what it includes."""
        return await self.pages(tx, access, [query], query.type)

    def open_types(self, tx: Tx, access: Access, types: Iterable[str]) -> list[str]:
        """Those of ``types`` that the access may search at all."""
        run = Run(tx, access, self._tools)
        return [type for type in types if run.may_search(type)]

    async def pages(self, tx: Tx, access: Access, queries: Sequence[Query], types: str) -> Page:
        """One page of a search of several types (search.html#type). A type that is closed to the access is ``forbidden``.

        ``types`` are those that were asked for, as a link to another page is bound to them.
        """
        for query in queries:
            access.require("search", query.type)
            bounds(access, query.type)
        run, query = Run(tx, access, self._tools), queries[0]
        wanted = [each for each in [await _wanted(run, query) for query in queries] if each is not None]
        if not wanted:
            return Page([], 0, {}, query.used, query.ignored, query.notes)
        plan = await run.plan(*wanted)
        counted = await _total(run, plan, query)
        if query.count_only:
            return Page([], counted, {}, query.used, query.ignored, query.notes)
        sealer = Sealer(await self._secret(tx), access, query, types)
        after = sealer.open(query.cursor) if query.cursor else _BEGINNING
        orders = orders_of([each.type for each in wanted], query.sort, run.parameters)
        found = await (_walked(run, plan, query, orders, after) if orders else _sorted(run, plan, query, after))
        entries = [Entry(match.stored, "match") for match in found.matches]
        if query.includes or query.revincludes:
            entries += [Entry(stored, "include") for stored in await _included(run, query, found.matches)]
        if counted is None and found.before is None and found.behind is None:
            counted = len(found.matches)
        links = {"self": query.cursor} if query.cursor else {}
        links |= {name: sealer.seal(place) for name, place in _links(found, orders).items()}
        return Page(entries, counted, links, query.used, query.ignored, query.notes)

    async def _secret(self, tx: Tx) -> bytes:
        if self._key is None:
            self._key = bytes(await tx.fetchval("select key from store_secret"))
        return self._key


async def _wanted(run: Run, query: Query) -> Wanted | None:
    """Everything that must hold of one type; None when nothing of it was ever stored."""
    followed: list[Condition] = [await follow(run, query.type, each) for each in query.criteria]
    for condition in query.conditions:
        one = await follow(run, query.type, condition)
        followed += one.parts if isinstance(one, And) else (one,)
    conditions = (*followed, *run.inside(query.type))
    if await run.exist(query.type):
        return Wanted(query.type, conditions)
    run.check(query.type, conditions)
    return None


async def _total(run: Run, plan: Plan, query: Query) -> int | None:
    """The number of matches, if it is asked for."""
    if query.total == "none" and not query.count_only:
        return None
    return await (total.estimate if query.total == "estimate" else total.accurate)(run, plan)


def _links(found: Found, orders: Sequence[Order] | None) -> dict[str, After]:
    links: dict[str, After] = {}
    if found.before is not None:
        links["previous"] = found.before
    if found.behind is not None:
        links["next"] = found.behind
        links["last"] = After(len(orders) - 1 if orders else 0, (), 0, back=True)
    return links


async def _walked(run: Run, plan: Plan, query: Query, orders: Sequence[Order], after: After) -> Found:
    """Up to a page of matches in an order that SQL gives. A page before another is walked to backwards, and turned round."""
    step = -1 if after.back else 1
    matches: list[Match] = []
    seen = 0
    phase = after.phase
    while 0 <= phase < len(orders) and len(matches) <= query.count:
        start = after if phase == after.phase else After(phase, (), 0, after.back)
        some, looked = await _phase(run, plan, orders[phase], start, query.count + 1 - len(matches), CANDIDATES - seen)
        matches += some
        seen += looked
        phase += step
    more = len(matches) > query.count
    matches = matches[: query.count]
    if after.back:
        matches.reverse()
    if not matches:
        return Found([], None, None)
    came = bool(after.keys)  # from another page, which is still there
    before = _place(orders, matches[0], back=True) if (more if after.back else came) else None
    return Found(matches, before, _place(orders, matches[-1]) if (came if after.back else more) else None)


async def _phase(run: Run, plan: Plan, order: Order, after: After, wanted: int, room: int) -> tuple[list[Match], int]:
    """Up to ``wanted`` matches of one phase, and how many rows were looked at again for them; more than ``room`` are too costly."""
    matches: list[Match] = []
    limit, looked = wanted, 0
    while True:
        rows = await run.rows(plan, order, limit, after)
        matches += await _decided(run, plan, rows, after.phase)
        looked += 0 if plan.exact else len(rows)
        if len(rows) < limit or len(matches) >= wanted:
            return matches[:wanted], looked
        if looked > room:
            raise too_costly()
        after = After(after.phase, _keys(rows[-1], order), rows[-1]["self"], after.back)
        limit = min(limit * 4, 1000)


async def _decided(run: Run, plan: Plan, rows: Sequence[Any], phase: int) -> list[Match]:
    """The rows that match, in their order."""
    if plan.exact and len(plan.wanted) == 1:
        versions = await run.stored(plan.wanted[0].type, rows)
        return [Match(stored, row, phase, None) for stored, row in zip(versions, rows, strict=True)]
    kept: dict[int, tuple[Stored, Candidate | None]] = {}
    for part, wanted in enumerate(plan.wanted):
        mine = [row for row in rows if row["part"] == part]
        if plan.exact:
            kept.update((row["self"], (stored, None)) for row, stored in zip(mine, await run.stored(wanted.type, mine), strict=True))
        else:
            candidates = await keep(run, plan.undecided(part), await read(run, wanted.type, mine))
            kept.update((each.row["self"], (each.stored, each)) for each in candidates)
    return [Match(found[0], row, phase, found[1]) for row in rows if (found := kept.get(row["self"]))]


def _place(orders: Sequence[Order], match: Match, *, back: bool = False) -> After:
    """Where a match stands in the order."""
    return After(match.phase, _keys(match.row, orders[match.phase]), match.row["self"], back)


def _keys(row: Any, order: Order) -> tuple[Any, ...]:
    return tuple(row[f"key{n}"] for n in range(len(order.keys)))


async def _sorted(run: Run, plan: Plan, query: Query, after: After) -> Found:
    """The same for an order made in memory, out of a limited number of candidates. A cursor is a place in that order."""
    rows = await run.rows(plan, OLDEST_FIRST, CANDIDATES + 1, _BEGINNING)
    if len(rows) > CANDIDATES:
        raise Problem("too-costly", "too many resources match to sort them by that: narrow the search", at="_sort")
    candidates: list[Candidate] = []
    for part, wanted in enumerate(plan.wanted):
        some = await read(run, wanted.type, [row for row in rows if row["part"] == part])
        candidates += await keep(run, plan.undecided(part), some)
    ordered = [each for each, _, _ in sort_in_memory([(each, each.resource, each.indexed) for each in candidates], query.sort)]
    start = _start(ordered, after, query.count)
    page = ordered[start : start + query.count]
    matches = [Match(each.stored, each.row, 0, each) for each in page]
    before = After(0, (start,), page[0].row["self"], back=True) if page and start > 0 else None
    behind = After(0, (start + len(page) - 1,), page[-1].row["self"]) if page and len(ordered) > start + query.count else None
    return Found(matches, before, behind)


def _start(ordered: Sequence[Candidate], after: After, count: int) -> int:
    """Where a page begins: beside the resource that ended the other page, or, if that is gone, at the same distance."""
    if not after.keys:
        return max(len(ordered) - count, 0) if after.back else 0
    at = next((n for n, each in enumerate(ordered) if each.row["self"] == after.self), int(after.keys[0]))
    return max(at - count, 0) if after.back else at + 1


async def _included(run: Run, query: Query, matches: Sequence[Match]) -> list[Stored]:
    sources = [match.candidate or decoded(run.parameters, match.stored) for match in matches]
    return await Included(run, query, sources).collect(sources)
