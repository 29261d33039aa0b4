"""The Store: what the flow, transactions and the API write through and read from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby

from penstock.auth.access import Access
from penstock.clock import Chance, Clock, SystemClock, system_chance
from penstock.db import Database, Tx, after_commit
from penstock.errors import Problem, explain
from penstock.formats.fhir.definitions import r4
from penstock.store import load
from penstock.store.batch import Item, State, Uphold, anything
from penstock.store.body import Bodies
from penstock.store.change import Announce, Cause, Change, Written
from penstock.store.conditional import Condition, Made, condition_of, resolve
from penstock.store.hashing import tenant_number
from penstock.store.index import Index
from penstock.store.labels import Label, in_use
from penstock.store.read import Reader
from penstock.store.reindex import Reindexer, states
from penstock.store.reindex import State as IndexState
from penstock.store.rid import Rids
from penstock.store.search.page import Page, Search
from penstock.store.search.parse import Pairs, parse
from penstock.store.search.within import compartment_types, narrowed, queries, types_asked
from penstock.store.statements import SQL
from penstock.store.tables import Tables, require_type
from penstock.store.task import Task, check, task_of
from penstock.store.write import flush, lock

Outcome = Written | Problem

#: How often changes are done again because somebody else made the same new resource at the same moment.
_ROUNDS = 5


class Store(Reader):
    """The FHIR repository. ``announce`` appends the events of what a write changed, in the transaction of the write.

    ``uphold`` is asked about every new version of a resource, whichever way it is written.
    """

    def __init__(
        self,
        announce: Announce,
        *,
        clock: Clock | None = None,
        chance: Chance | None = None,
        search_limit_s: float = 5.0,
        uphold: Uphold = anything,
        index: Index | None = None,
    ) -> None:
        index = index or Index()
        super().__init__(index, Tables(index), Bodies())
        clock = clock or SystemClock()
        self._announce = announce
        self._uphold = uphold
        self._chance = chance or system_chance()
        self._rids = Rids(clock)
        self._search = Search(self, self._tables, clock, search_limit_s)
        self._clock = clock
        self._tenants: set[str] = set()

    def reindexer(self, database: Database) -> Reindexer:
        """What indexes again what is stored, in the background, when search parameters have changed."""
        return Reindexer(database, self.index, self._tables, self._bodies, self._clock)

    async def types(self, tx: Tx) -> list[str]:
        """The resource types that are in use."""
        return await self._tables.all(tx)

    async def index_states(self, tx: Tx) -> list[IndexState]:
        """How far each type in use is indexed, for an operator."""
        return await states(tx, self.index, self._tables)

    async def ensure(self, database: Database, types: Iterable[str]) -> None:
        """Make the tables of ``types`` where they are missing. Call it before the transaction that writes them."""
        await self._bodies.ready(database)
        await self._tables.ensure(database, types)

    async def write(self, tx: Tx, access: Access, changes: Sequence[Change], cause: Cause | Sequence[Cause]) -> list[Outcome]:
        """Do ``changes`` in their order; each has its own Written or Problem, and a Problem never fails its neighbours.

        ``cause`` is one for all, or one for each.
        """
        causes = [cause] * len(changes) if isinstance(cause, Cause) else cause
        return await self.write_items(tx, [Item(access, change, why) for change, why in zip(changes, causes, strict=True)])

    async def search(
        self,
        tx: Tx,
        access: Access,
        type: str,
        query: str | Pairs,
        *,
        lenient: bool = False,
        within: tuple[str, str] | None = None,
    ) -> Page:
        """One page of a search (http.html#search). ``query`` is a query string or decoded pairs; ``_cursor`` continues a page.

        ``lenient`` ignores parameters that the type does not have (``Prefer: handling=lenient``); ``within`` keeps to the compartment of a
        resource, (type, id).
        """
        require_type(type)
        parsed = parse(type, query, lenient=lenient, parameters=self.index.parameters)
        return await self._search.page(tx, access, narrowed(parsed, within) if within else parsed)

    async def search_all(
        self, tx: Tx, access: Access, query: Pairs, *, lenient: bool = False, within: tuple[str, str] | None = None
    ) -> Page:
        """The same over every type that ``_type`` names, else over all that are in use and that ``access`` may search."""
        asked, rest = types_asked(query)
        types = asked
        if types is None:
            used = await self._tables.all(tx)
            inside = used if within is None else [type for type in used if type in compartment_types(within[0])]
            types = tuple(self._search.open_types(tx, access, inside))
            if not types and not self._search.open_types(tx, access, r4().resource_types):
                raise Problem("forbidden", "this token does not allow a search of any resource type")
        parsed = queries(types, rest, named=asked is not None, lenient=lenient, parameters=self.index.parameters)
        if within:
            parsed = [narrowed(each, within) for each in parsed]
        named = "*" if asked is None else ",".join(asked)
        page = await self._search.pages(tx, access, parsed, named) if parsed else Page([], 0, {}, tuple(rest), ())
        return page if asked is None else page._replace(used=(("_type", ",".join(asked)), *page.used))

    async def labels(self, tx: Tx, access: Access, type: str | None) -> list[Label]:
        """The profiles, tags and security labels on what ``access`` may find of a type (None: of every type)."""

        async def seen(label: Label) -> bool:
            found = await self.search(tx, access, label.type, ((label.param, label.value), ("_count", "1")))
            return bool(found.entries)

        return await in_use(tx, access.tenant, type, seen)

    async def write_items(self, tx: Tx, items: Sequence[Item]) -> list[Outcome]:
        """The same for changes on behalf of several, each for its own cause: what the Writer commits as one."""
        await self._rids.ready(tx)
        await self._know(tx, {item.access.tenant for item in items})
        outcomes: list[Outcome] = [Problem("exception", "this change was not tried")] * len(items)
        tasks = await self._tasks(tx, items, outcomes)
        for _ in range(_ROUNDS):
            lost = await self._round(tx, tasks, outcomes)
            tasks = {number: tasks[number] for number in lost}
            if not tasks:
                break
        for number in tasks:
            outcomes[number] = Problem("conflict", "others keep writing this resource at the same moment")
        await self._tell(tx, items, outcomes)
        return outcomes

    async def load(self, tx: Tx, items: Sequence[Item]) -> list[Outcome]:
        """The same for updates of many resources of one tenant, most of which are new: those are written by COPY (see ``load``)."""
        await self._rids.ready(tx)
        self._tables.require(item.change.type for item in items)
        await self._know(tx, {item.access.tenant for item in items})
        outcomes: list[Outcome] = [Problem("exception", "this change was not tried")] * len(items)
        keys = [(item.change.type, item.change.id or "") for item in items]
        new = await load.fresh(tx, items[0].access.tenant, keys) if items else set()
        states: dict[State, int] = {}
        for number in sorted(new):
            try:
                check(items[number])
                state, outcomes[number] = load.create(items[number], self.index, self._uphold, self._rids)
                states[state] = number
            except Exception as error:
                outcomes[number] = explain(error)
        others = [number for number in range(len(items)) if number not in new]
        for lost in await load.copy(tx, self._bodies, list(states)):
            outcomes[states[lost]] = Problem("conflict", "somebody else has stored this resource at the same moment")
            others.append(states[lost])
        await self._tell(tx, items, outcomes)
        if others:
            for number, outcome in zip(others, await self.write_items(tx, [items[number] for number in others]), strict=True):
                outcomes[number] = outcome
        return outcomes

    async def _know(self, tx: Tx, tenants: set[str]) -> None:
        """Write down the names of new tenants: rows carry only their numbers."""
        for tenant in tenants - self._tenants:
            await tx.execute(SQL["know_tenant"], tenant_number(tenant), tenant)
            after_commit(tx, partial(self._tenants.add, tenant))

    async def _tasks(self, tx: Tx, items: Sequence[Item], outcomes: list[Outcome]) -> dict[int, Task]:
        """What is to be done, each change with the resource that it is about; a change that cannot be done gets its Problem."""
        conditions: dict[int, Condition | Problem | None] = {}
        for number, item in enumerate(items):
            try:
                check(item)
                conditions[number] = condition_of(item, self.index.parameters)
            except Problem as problem:
                outcomes[number] = problem
        self._tables.require(items[number].change.type for number in conditions)
        asked = {number: (items[number], each) for number, each in conditions.items() if isinstance(each, Condition)}
        if asked:
            conditions |= await resolve(tx, self._search, asked)
        tasks: dict[int, Task] = {}
        for number, condition in conditions.items():
            try:
                tasks[number] = task_of(items[number], condition, self._chance)
            except Problem as problem:
                outcomes[number] = problem
        return tasks

    async def _round(self, tx: Tx, tasks: Mapping[int, Task], outcomes: list[Outcome]) -> list[int]:
        """Lock, apply and flush; returns the numbers of the tasks that must be done again."""
        states = await lock(tx, self._bodies, {task.whose for task in tasks.values() if not task.fresh})
        made = Made()
        remember = any(task.condition for task in tasks.values())
        used: dict[int, State] = {}
        for number, task in tasks.items():
            try:
                state = task.state(states, made)
                state.index, state.uphold = self.index, self._uphold
                outcomes[number] = task.do(state, self._rids)
                used[number] = state
            except Exception as error:
                outcomes[number] = explain(error)
            else:
                if remember:
                    made.add(state)
        lost = await flush(tx, self._bodies, states.values())
        return [number for number, state in used.items() if state in lost] if lost else []

    async def _tell(self, tx: Tx, items: Sequence[Item], outcomes: Sequence[Outcome]) -> None:
        """Announce what changed, one call a tenant (nearly always one)."""
        changed = [(item, w) for item, w in zip(items, outcomes, strict=True) if isinstance(w, Written) and w.op != "same"]
        for tenant, group in groupby(sorted(changed, key=lambda pair: pair[0].access.tenant), key=lambda pair: pair[0].access.tenant):
            pairs = list(group)
            await self._announce(tx, [w for _, w in pairs], [item.cause for item, _ in pairs], tenant=tenant)
