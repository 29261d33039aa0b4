"""Which references were led from one record to another, so that they can be led back; and which resources refer to a record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from penstock.auth.access import Access
from penstock.db import Tx, named_sql
from penstock.formats.fhir.definitions import r4
from penstock.store.change import Key
from penstock.store.hashing import prefix, self_hash, tenant_number
from penstock.store.keys import reference_token
from penstock.store.layout import layout
from penstock.store.store import Store

_SQL = named_sql(__package__, "moved.sql")


class Moved(NamedTuple):
    """The references of one resource, by their paths, that were led away from the record ``prior`` (``Type/id``)."""

    prior: str
    key: Key
    paths: tuple[str, ...]


async def note_moved(tx: Tx, access: Access, moved: Iterable[Moved]) -> None:
    """Keep what was led away, in the transaction that leads it."""
    rows = sorted({(one.prior, *one.key): " ".join(one.paths) for one in moved}.items())
    if rows:
        columns = [list(column) for column in zip(*(key for key, _ in rows), strict=True)]
        await tx.execute(_SQL["note_moved"], tenant_number(access.tenant), *columns, [paths for _, paths in rows])


async def moved_of(tx: Tx, access: Access, priors: Sequence[str]) -> list[Moved]:
    """Everything that was led away from these records."""
    rows = await tx.fetch(_SQL["moved_of"], tenant_number(access.tenant), list(priors))
    return [Moved(row["prior"], (row["type"], row["id"]), tuple(row["paths"])) for row in rows]


async def forget_moved(tx: Tx, access: Access, priors: Sequence[str]) -> None:
    """It was led back."""
    await tx.execute(_SQL["forget_moved"], tenant_number(access.tenant), list(priors))


async def referring(tx: Tx, store: Store, access: Access, reference: str) -> list[Key]:
    """The resources that refer to a record in an element that a search parameter of R4 looks at."""
    type, _, id = reference.partition("/")
    found: list[Key] = []
    for each in await store.types(tx):
        params = [code for code, param in r4().search_params(each).items() if param.type == "reference" and type in param.targets]
        if not params:
            continue
        tokens = [reference_token(prefix(access.tenant, each, code), type, id) for code in params]
        patient = self_hash(access.tenant, type, id) if type == "Patient" and each != "Patient" else None
        sql = _SQL["referring"].replace("{current}", layout(each).current)
        found += [(each, row["id"]) for row in await tx.fetch(sql, patient, tokens, tenant_number(access.tenant))]
    return sorted(found)
