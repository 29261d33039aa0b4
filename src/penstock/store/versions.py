"""The bodies of given versions, many at once: what those who tell of changes put into their messages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from penstock.auth.access import Access
from penstock.db import Tx, named_sql
from penstock.store.hashing import self_hash
from penstock.store.layout import layout
from penstock.store.store import Store

_SQL = named_sql(__package__, "versions.sql")

VersionKey = tuple[str, str, int]
"""A version by (type, id, version)."""


async def version_bodies(tx: Tx, store: Store, access: Access, keys: Sequence[VersionKey]) -> dict[VersionKey, bytes]:
    """Version to its JSON bytes; tombstones and versions that are not kept are missing."""
    by_type: dict[str, list[VersionKey]] = defaultdict(list)
    for key in keys:
        by_type[key[0]].append(key)
    found: dict[VersionKey, bytes] = {}
    for type_, wanted in by_type.items():
        access.require("vread", type_)
        shape = layout(type_)
        sql = _SQL["versions"].replace("{current}", shape.current).replace("{old}", shape.old)
        hashes = [self_hash(access.tenant, type_, id_) for _, id_, _ in wanted]
        for row in await tx.fetch(sql, hashes, [ver for *_, ver in wanted]):
            key = wanted[row["n"] - 1]
            if row["id"] == key[1] and row["content"] is not None:
                found[key] = (await store.stored(tx, type_, row)).body
    return found
