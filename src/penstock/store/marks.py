"""What is kept beside a resource of when its elements were said: bytes to the store, written by whoever holds the resource's row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from penstock.auth.access import Access
from penstock.db import Tx, named_sql
from penstock.store.change import Key
from penstock.store.hashing import self_hash

_SQL = named_sql(__package__, "marks.sql")


async def read_marks(tx: Tx, access: Access, keys: Iterable[Key]) -> dict[Key, bytes]:
    """The marks of those resources that have some."""
    wanted = {self_hash(access.tenant, *key): key for key in keys}
    return {wanted[row["self"]]: row["marks"] for row in await tx.fetch(_SQL["read_marks"], list(wanted))} if wanted else {}


async def put_marks(tx: Tx, access: Access, marks: Mapping[Key, bytes]) -> None:
    """Keep the marks of these resources, in the transaction that writes them."""
    if marks:
        await tx.execute(_SQL["put_marks"], [self_hash(access.tenant, *key) for key in marks], list(marks.values()))
