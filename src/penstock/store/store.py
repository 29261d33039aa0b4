"""The Store: what the flow, transactions and the API write through and read from."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Sequence
from itertools import groupby

from penstock.auth.access import Access
from penstock.clock import Chance, Clock, SystemClock, system_chance
from penstock.db import Database, Tx
from penstock.errors import Problem, explain
from penstock.store.batch import Item, State, apply
from penstock.store.body import Bodies
from penstock.store.change import Announce, Cause, Change, Key, Written
from penstock.store.hashing import self_hash
from penstock.store.read import Reader
from penstock.store.rid import Rids
from penstock.store.search.page import Page, Search
from penstock.store.search.parse import parse
from penstock.store.tables import Tables, require_type
from penstock.store.write import flush, lock

Outcome = Written | Problem

#: How often changes are done again because somebody else made the same new resource at the same moment.
_ROUNDS = 5
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


class Store(Reader):
    """The FHIR repository. ``announce`` appends the events of what a write changed, in the transaction of the write."""

    def __init__(
        self, announce: Announce, *, clock: Clock | None = None, chance: Chance | None = None, search_limit_s: float = 5.0
    ) -> None:
        super().__init__(Tables(), Bodies())
        clock = clock or SystemClock()
        self._announce = announce
        self._chance = chance or system_chance()
        self._rids = Rids(clock)
        self._search = Search(self, self._tables, clock, search_limit_s)

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

    async def search(self, tx: Tx, access: Access, type: str, query: str | Sequence[tuple[str, str]], *, lenient: bool = False) -> Page:
        """One page of a search (http.html#search). ``query`` is a query string or decoded pairs; ``_cursor`` continues a page.

        ``lenient`` ignores parameters that the type does not have (``Prefer: handling=lenient``).
        """
        require_type(type)
        return await self._search.page(tx, access, parse(type, query, lenient=lenient))

    async def write_items(self, tx: Tx, items: Sequence[Item]) -> list[Outcome]:
        """The same for changes on behalf of several, each for its own cause: what the Writer commits as one."""
        await self._rids.ready(tx)
        outcomes: list[Outcome] = [Problem("exception", "this change was not tried")] * len(items)
        todo: dict[int, tuple[Item, Key]] = {}
        for number, item in enumerate(items):
            try:
                todo[number] = item, self._key(item)
            except Problem as problem:
                outcomes[number] = problem
        self._tables.require(key[0] for _, key in todo.values())
        for _ in range(_ROUNDS):
            lost = await self._round(tx, todo, outcomes)
            todo = {number: pair for number, pair in todo.items() if (pair[0].access.tenant, pair[1]) in lost}
            if not todo:
                break
        for number in todo:
            outcomes[number] = Problem("conflict", "others keep writing this resource at the same moment")
        await self._tell(tx, items, outcomes)
        return outcomes

    def _key(self, item: Item) -> Key:
        """Check what can be checked without the database, and name a new resource."""
        change = item.change
        require_type(change.type)
        item.access.require(change.verb, change.type)
        if change.id is None:
            if change.verb != "create":
                raise Problem("required", "this interaction names a resource by its id")
            return change.type, str(uuid.UUID(int=self._chance.getrandbits(128), version=4))
        if not _ID.fullmatch(change.id):
            raise Problem("value", "an id has 1 to 64 letters, digits, hyphens and dots")
        return change.type, change.id

    async def _round(self, tx: Tx, todo: dict[int, tuple[Item, Key]], outcomes: list[Outcome]) -> set[tuple[str, Key]]:
        """Lock, apply and flush; returns the (tenant, key) pairs that must be done again."""
        named = {(item.access.tenant, key) for item, key in todo.values() if item.change.id is not None}
        states = await lock(tx, self._bodies, named)
        for number, (item, key) in todo.items():
            whose = item.access.tenant, key
            state = states.get(whose)
            if state is None:
                state = states[whose] = State(key, whose[0], self_hash(whose[0], *key))
            try:
                outcomes[number] = apply(state, item, self._rids)
            except Exception as error:
                outcomes[number] = explain(error)
        return {(state.tenant, state.key) for state in await flush(tx, self._bodies, states.values())}

    async def _tell(self, tx: Tx, items: Sequence[Item], outcomes: Sequence[Outcome]) -> None:
        """Announce what changed, one call a tenant (nearly always one)."""
        changed = [(item, w) for item, w in zip(items, outcomes, strict=True) if isinstance(w, Written) and w.op != "same"]
        for tenant, group in groupby(sorted(changed, key=lambda pair: pair[0].access.tenant), key=lambda pair: pair[0].access.tenant):
            pairs = list(group)
            await self._announce(tx, [w for _, w in pairs], [item.cause for item, _ in pairs], tenant=tenant)
