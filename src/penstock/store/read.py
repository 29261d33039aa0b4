"""Reading: the current version, one version, or the history; always within an Access."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from penstock.auth.access import Access
from penstock.db import Tx
from penstock.errors import Problem
from penstock.store.body import Bodies
from penstock.store.change import ALWAYS, History, Key, Op, Stored, Window
from penstock.store.compartment import Bounds, bounds, restriction
from penstock.store.hashing import self_hash, tenant_number
from penstock.store.index import Index
from penstock.store.rid import last_updated
from penstock.store.statements import statement
from penstock.store.tables import Tables, require_type

#: Seconds that one page of history may take.
_HISTORY_S = 5.0
#: Versions that one page of history may look at for a patient's access, which sees few of them.
_LOOKED_AT = 10_000


class Reader:
    """Everything that only looks. It shares the tables and dictionaries of its Store."""

    def __init__(self, index: Index, tables: Tables, bodies: Bodies) -> None:
        self.index = index
        self._tables = tables
        self._bodies = bodies

    async def stored(self, tx: Tx, type: str, row: Any) -> Stored:
        """A row with rid, ver, id and content as the version that it is."""
        content = row["content"]
        if content is not None and not self._bodies.knows(content):
            await self._bodies.load(tx)
        return self._version(type, row)

    async def stored_all(self, tx: Tx, type: str, rows: Iterable[Any]) -> list[Stored]:
        """The same for many rows, none of which is a tombstone."""
        if not all(self._bodies.knows(row["content"]) for row in rows):
            await self._bodies.load(tx)
        return [self._version(type, row) for row in rows]

    def _version(self, type: str, row: Any) -> Stored:
        content = row["content"]
        op: Op = "delete" if content is None else "create" if row["ver"] == 1 else "update"
        body = self._bodies.unpack(content) if content is not None else b""
        return Stored(type, row["id"], row["ver"], row["rid"], op, last_updated(row["rid"]), body)

    async def read_many(self, tx: Tx, access: Access, keys: Iterable[Key], *, lock: bool = False) -> dict[Key, Stored]:
        """The current versions of those ``keys`` that exist and that ``access`` may see.

        ``lock`` keeps them from changing until ``tx`` ends.
        """
        found: dict[Key, Stored] = {}
        for type, group in groupby(sorted(set(keys)), key=lambda key: key[0]):
            access.require("read", type)
            require_type(type)
            within, arguments = restriction(access, type, 2)
            if await self._tables.exist(tx, type):
                wanted = {self_hash(access.tenant, *key): key for key in group}
                name = "read_locked" if lock else "read"
                for row in await tx.fetch(statement(name, type, within), sorted(wanted), *arguments):
                    if wanted[row["self"]][1] == row["id"] and row["tenant"] == tenant_number(access.tenant):
                        found[wanted[row["self"]]] = await self.stored(tx, type, row)
        return found

    async def read(self, tx: Tx, access: Access, type: str, id: str) -> Stored | None:
        """The current version (http.html#read); a deleted resource is a Stored with op ``delete``; None was never there."""
        found = await self.read_many(tx, access, [(type, id)])
        if found or not await self._tables.exist(tx, type):
            return found.get((type, id))
        last = (await self.history(tx, access, type, id, count=1)).entries
        return last[0] if last and last[0].op == "delete" else None

    async def vread(self, tx: Tx, access: Access, type: str, id: str, ver: int) -> Stored | None:
        """One version, current or not (http.html#vread)."""
        access.require("vread", type)
        require_type(type)
        if not 0 < ver < 2**31 or not await self._tables.exist(tx, type):
            return None
        row = await tx.fetchrow(statement("vread", type), self_hash(access.tenant, type, id), ver)
        if row is None or row["id"] != id or row["tenant"] != tenant_number(access.tenant):
            return None
        if row["content"] is None:
            before = await self.vread(tx, access, type, id, ver - 1)
            return before and await self.stored(tx, type, row)
        version = await self.stored(tx, type, row)
        return version if self._inside(access, bounds(access, type), version) else None

    async def history(
        self,
        tx: Tx,
        access: Access,
        type: str | None = None,
        id: str | None = None,
        *,
        window: Window = ALWAYS,
        count: int = 50,
    ) -> History:
        """Versions of a resource, a type, or everything, newest first (http.html#history), if they are found in time."""
        try:
            async with asyncio.timeout(_HISTORY_S):
                if type is None:
                    return await self._history_of_all(tx, access, window, count)
                return await self._history_of(tx, access, type, id, window, count)
        except TimeoutError:
            raise Problem("too-costly", "this history takes longer than it may: ask for one type or resource, or since when") from None

    async def _history_of(
        self, tx: Tx, access: Access, type: str, id: str | None, window: Window, count: int, newer_than: int = 0
    ) -> History:
        """None with a rid below ``newer_than``."""
        access.require("history", type)
        require_type(type)
        inside = bounds(access, type)
        if not await self._tables.exist(tx, type):
            return History([], None)
        sql = statement(f"history_{'at_' if window.current else ''}of{'_type' if id is None else ''}", type)
        subject = tenant_number(access.tenant) if id is None else self_hash(access.tenant, type, id)
        high, low, *current = window.rids
        low = max(low, newer_than)
        entries: list[Stored] = []
        seen = 0
        while len(entries) <= count:
            if seen > _LOOKED_AT:
                raise Problem("too-costly", "this history goes through too many versions of others: ask for a single resource")
            rows = await tx.fetch(sql, subject, high, low, count + 1, *current)
            versions = [await self.stored(tx, type, row) for row in rows if id is None or row["id"] == id]
            entries += [version for version in versions if inside is None or await self._visible(tx, access, inside, version)]
            if len(rows) <= count:
                break
            seen += len(rows)
            high = rows[-1]["rid"]
        return _page(entries, count)

    async def _history_of_all(self, tx: Tx, access: Access, window: Window, count: int) -> History:
        """Type by type; what is older than a page of what was found already is not read any more."""
        entries: list[Stored] = []
        oldest = 0
        for type in await self._tables.all(tx):
            if access.permits("history", type) and _is_open(access, type):
                entries += (await self._history_of(tx, access, type, None, window, count + 1, oldest)).entries
                entries = sorted(entries, key=lambda version: -version.rid)[: count + 1]
                oldest = entries[-1].rid if len(entries) > count else 0
        return _page(entries, count)

    async def _visible(self, tx: Tx, access: Access, inside: Bounds, version: Stored) -> bool:
        """Whether a version is in the compartment; a tombstone is where the version before it was."""
        if version.op == "delete":
            return await self.vread(tx, access, version.type, version.id, version.ver - 1) is not None
        return self._inside(access, inside, version)

    def _inside(self, access: Access, inside: Bounds | None, version: Stored) -> bool:
        """Old versions have no search columns: what they were found by is extracted again. Only asked for patients' accesses."""
        if inside is None:
            return True
        indexed = self.index.parameters.extract(version.resource())
        row = self.index.row(access.tenant, version.type, version.id, indexed)
        return inside.hold(row.pat, row.tok)


def _page(entries: list[Stored], count: int) -> History:
    page = entries[:count]
    return History(page, page[-1].rid if page and len(entries) > count else None)


def _is_open(access: Access, type: str) -> bool:
    try:
        bounds(access, type)
    except Problem:
        return False
    return True
