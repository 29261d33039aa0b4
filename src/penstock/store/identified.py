"""Which resources carry a business identifier: what patient identity asks, for a whole batch at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from penstock.auth.access import Access
from penstock.db import Tx, named_sql
from penstock.store.hashing import h64, prefix, tenant_number
from penstock.store.layout import layout

_SQL = named_sql(__package__, "identified.sql")

Identifier = tuple[str, str]
"""(system, value)"""


async def owners(tx: Tx, access: Access, type: str, identifiers: Iterable[Identifier]) -> dict[Identifier, frozenset[str]]:
    """The ids of the current resources of ``type`` (whose tables exist) that carry each identifier; one that nobody carries is missing."""
    access.require("search", type)
    start = prefix(access.tenant, type, "identifier")
    hashes: dict[tuple[int, int], Identifier] = {(h64(start + value), h64(system)): (system, value) for system, value in identifiers}
    if not hashes:
        return {}
    sql = _SQL["owners"].replace("{current}", layout(type).current)
    found: dict[Identifier, set[str]] = defaultdict(set)
    for row in await tx.fetch(sql, list({val for val, _ in hashes}), tenant_number(access.tenant)):
        identifier = hashes.get((row["val"], row["sys"]))
        if identifier:
            found[identifier].add(row["id"])
    return {identifier: frozenset(ids) for identifier, ids in found.items()}
