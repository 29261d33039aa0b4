"""Closure tables: which concepts a client has named so far, and which of them lie below which others. ``tx`` is an open transaction.

What is new gets the number of the call that brought it, so that a client that lost an answer can ask for all since the last one it has.
"""

from __future__ import annotations

from collections.abc import Collection

from penstock.db import Tx, named_sql
from penstock.errors import Problem

_SQL = named_sql(__package__, "closure.sql")

Named = tuple[str, str]
"""(system, code)"""
Relation = tuple[str, str, str]
"""(system, the code below, the code above)"""

#: Concepts that a closure table holds at most, and relations that one answer holds.
MOST_CONCEPTS = 50_000
MOST_RELATIONS = 100_000


async def begin(tx: Tx, tenant: str, name: str) -> None:
    """An empty table; one of that name is forgotten."""
    await tx.execute(_SQL["forget"], tenant, name)
    await tx.execute(_SQL["begin"], tenant, name)


async def held(tx: Tx, tenant: str, name: str, systems: Collection[str]) -> tuple[int, set[Named]]:
    """The version of the table and its concepts of some systems; it stays locked until the transaction ends."""
    version = await tx.fetchval(_SQL["lock"], tenant, name)
    if version is None:
        raise _unknown()
    return version, {(row["system"], row["code"]) for row in await tx.fetch(_SQL["concepts"], tenant, name, list(systems))}


async def add(tx: Tx, tenant: str, name: str, concepts: Collection[Named], relations: Collection[Relation]) -> int:
    """Concepts and relations that the table does not have yet; returns its new version."""
    if await tx.fetchval(_SQL["count"], tenant, name) + len(concepts) > MOST_CONCEPTS:
        raise Problem("too-costly", "this closure table would hold more concepts than one may")
    version: int = await tx.fetchval(_SQL["advance"], tenant, name)
    await tx.execute(_SQL["add_concepts"], tenant, name, version, *_columns(concepts, 2))
    await tx.execute(_SQL["add_relations"], tenant, name, version, *_columns(relations, 3))
    return version


async def since(tx: Tx, tenant: str, name: str, version: int) -> tuple[int, list[Relation]]:
    """The version of the table, and every relation that came after ``version``."""
    current = await tx.fetchval(_SQL["look"], tenant, name)
    if current is None:
        raise _unknown()
    rows = await tx.fetch(_SQL["since"], tenant, name, version, MOST_RELATIONS + 1)
    if len(rows) > MOST_RELATIONS:
        raise Problem("too-costly", "there are more relations since that version than one answer holds: begin the table anew")
    return current, [(row["system"], row["below"], row["above"]) for row in rows]


def _columns(rows: Collection[tuple[str, ...]], width: int) -> list[list[str]]:
    return [[row[place] for row in rows] for place in range(width)]


def _unknown() -> Problem:
    return Problem("not-found", "there is no closure table of this name: begin it by a call with the name alone")
