"""Which resources carry a business identifier: what patient identity asks, for a whole batch at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TypeVar

from penstock.auth.access import Access
from penstock.db import Tx, named_sql
from penstock.store.hashing import h64, prefix, tenant_number
from penstock.store.layout import layout
from penstock.store.search.criterion import plain, split
from penstock.store.search.query import Query

_SQL = named_sql(__package__, "identified.sql")

Asker = TypeVar("Asker")
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


def identifier_of(query: Query) -> Identifier | None:
    """The one identifier that a query asks for as ``identifier=system|value``, and for nothing else."""
    if len(query.criteria) != 1 or query.conditions:
        return None
    (criterion,) = query.criteria
    if criterion.param != "identifier" or criterion.modifier or len(criterion.values) != 1:
        return None
    parts = [plain(part) for part in split(criterion.values[0], "|")]
    return (parts[0], parts[1]) if len(parts) == 2 and all(parts) else None


async def owned(tx: Tx, asked: Mapping[Asker, tuple[Access, Query]]) -> dict[Asker, tuple[str, ...]]:
    """The ids that those queries match which ask for one identifier: one statement a type (whose tables exist), not one a query.

    Whoever is missing in the answer must search: other queries, and those of a patient's own access.
    """
    groups: dict[tuple[Access, str], dict[Asker, Identifier]] = defaultdict(dict)
    for asker, (access, query) in asked.items():
        identifier = identifier_of(query)
        if identifier and access.patient is None and access.permits("search", query.type):
            groups[access, query.type][asker] = identifier
    found: dict[Asker, tuple[str, ...]] = {}
    for (access, type), wanted in groups.items():
        by_identifier = await owners(tx, access, type, set(wanted.values()))
        found |= {asker: tuple(sorted(by_identifier.get(identifier, ()))) for asker, identifier in wanted.items()}
    return found
