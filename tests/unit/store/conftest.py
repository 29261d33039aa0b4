"""A Store over a real PostgreSQL, whose announcements are kept in a list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from penstock.auth.access import SYSTEM, Access, parse_scope
from penstock.db import Database, Tx
from penstock.store import Cause, Change, Store, Written

CAUSE = Cause(trace_id="trace", inbox_id=None, client="test", at=datetime(2026, 1, 1, tzinfo=UTC))


class Told(list[tuple[Written, Cause]]):
    """What was announced, in order."""

    async def __call__(self, tx: Tx, written: Sequence[Written], cause: Sequence[Cause], /, *, tenant: str) -> None:
        self.extend(zip(written, cause, strict=True))

    def versions(self) -> list[tuple[str, str, int, str]]:
        return [(w.type, w.id, w.ver, w.op) for w, _ in self]


class Shelf:
    """The store with one transaction a call: short words for tests."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.told = Told()
        self.store = Store(self.told)

    async def write(self, *changes: Change, access: Access = SYSTEM) -> list[Any]:
        await self.store.ensure(self.database, {change.type for change in changes})
        async with self.database.transaction() as tx:
            return await self.store.write(tx, access, changes, CAUSE)

    async def put(self, *resources: dict[str, Any], access: Access = SYSTEM) -> list[Any]:
        changes = [Change("update", each["resourceType"], each["id"], each) for each in resources]
        return await self.write(*changes, access=access)

    async def read(self, type: str, id: str, access: Access = SYSTEM) -> Any:
        async with self.database.transaction(readonly=True) as tx:
            return await self.store.read(tx, access, type, id)

    async def vread(self, type: str, id: str, ver: int, access: Access = SYSTEM) -> Any:
        async with self.database.transaction(readonly=True) as tx:
            return await self.store.vread(tx, access, type, id, ver)

    async def history(self, *names: str, access: Access = SYSTEM, **options: Any) -> Any:
        async with self.database.transaction(readonly=True) as tx:
            return await self.store.history(tx, access, *names, **options)

    async def search(self, type: str, query: str, access: Access = SYSTEM, **options: Any) -> Any:
        async with self.database.transaction(readonly=True) as tx:
            return await self.store.search(tx, access, type, query, **options)

    async def ids(self, type: str, query: str, access: Access = SYSTEM) -> list[str]:
        return [entry.stored.id for entry in (await self.search(type, query, access)).entries]


@pytest.fixture
def shelf(database: Database) -> Shelf:
    return Shelf(database)


def patient_access(id: str, scope: str = "patient/*.cruds") -> Access:
    """An Access that is bound to one patient."""
    return Access(client="app", scopes=parse_scope(scope).scopes, patient=id)
