"""The labels of what is stored: profiles, tags and security labels, for ``$meta`` (http://hl7.org/fhir/R4/resource-operations.html#meta).

A table holds every label that was ever written on a type. Which of them are in use, and on something that the caller may see, is asked of
the search: so nobody learns from a label that a resource exists which they cannot read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import NamedTuple

from penstock.db import Tx, named_sql
from penstock.errors import Problem
from penstock.formats.fhir.searchparams import Indexed
from penstock.store.hashing import h64, tenant_number
from penstock.store.layout import Layout

_SQL = named_sql(__package__, "labels.sql")

#: What ``meta`` is found by that is a label.
PARAMS = ("_profile", "_security", "_tag")
#: So many labels are looked at: each is a search.
MOST = 500

_ESCAPED = str.maketrans({each: f"\\{each}" for each in "\\|,$"})


class Label(NamedTuple):
    """A label on a type; ``system`` is "" for a profile, and where a code has none."""

    tenant: int
    type: str
    param: str
    system: str
    code: str

    @property
    def value(self) -> str:
        """What it is searched by."""
        return self.code.translate(_ESCAPED) if self.param == "_profile" else "|".join(each.translate(_ESCAPED) for each in self[3:])


def labels_of(tenant: str, shape: Layout, has: int, indexed: Indexed) -> list[Label]:
    """The labels of one resource, which ``has`` values of some parameters."""
    if not has & sum(shape.bits[param] for param in PARAMS):
        return []
    return list(_found(tenant_number(tenant), shape.type, indexed))


def _found(tenant: int, type: str, indexed: Indexed) -> Iterator[Label]:
    for param, url in indexed.uris:
        if param in PARAMS:
            yield Label(tenant, type, param, "", url)
    for param, system, code in indexed.tokens:
        if param in PARAMS and code:
            yield Label(tenant, type, param, system or "", code)


async def know(tx: Tx, labels: Iterable[Label]) -> None:
    """Keep labels that are new."""
    rows = [(*each[:2], h64("\x1f".join(each[2:])), *each[2:]) for each in sorted(set(labels))]
    if rows:
        await tx.execute(_SQL["know"], *map(list, zip(*rows, strict=True)))


async def in_use(tx: Tx, tenant: str, type: str | None, seen: Callable[[Label], Awaitable[bool]]) -> list[Label]:
    """The labels of a type (None: of all) on something that is ``seen``, sorted; the same label on several types comes once."""
    rows = await tx.fetch(_SQL["labels"], tenant_number(tenant), type, MOST + 1)
    if len(rows) > MOST:
        raise Problem("too-costly", "there are more labels than this operation looks at: ask for one type, or search by a label")
    found: dict[tuple[str, ...], Label] = {}
    for label in (Label(*row) for row in rows):
        if label[2:] not in found and await seen(label):
            found[label[2:]] = label
    return list(found.values())
