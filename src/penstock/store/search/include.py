"""``_include`` and ``_revinclude``: what the matches point at, and what points at them (http://hl7.org/fhir/R4/search.html#include).

Included resources are read within the same Access as any other read: a type without permission, or a resource outside of the patient's
compartment, is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from penstock.auth.access import Access
from penstock.errors import Problem
from penstock.formats.fhir.searchparams import extract
from penstock.store.change import Key, Stored
from penstock.store.compartment import bounds
from penstock.store.row import local_references
from penstock.store.search.parse import Include, Query

#: Resources that one page may bring along.
MOST = 2000


def may_read(access: Access, type: str) -> bool:
    """Whether ``access`` could read any resource of ``type``."""
    if not access.permits("read", type):
        return False
    try:
        bounds(access, type)
    except Problem:
        return False
    return True


def forward(access: Access, query: Query, found: Sequence[Stored]) -> list[Key]:
    """The keys of what the matches point at by the ``_include`` of the query, less the matches themselves."""
    keys: dict[Key, None] = {}
    for stored in found:
        for param, type, id in local_references(extract(stored.resource())):
            if any(_wants(include, param, type) for include in query.includes) and may_read(access, type):
                keys[type, id] = None
    for stored in found:
        keys.pop((stored.type, stored.id), None)
    if len(keys) > MOST:
        raise Problem("too-costly", "this page would include too many resources: ask for fewer with _count", at="_include")
    return list(keys)


def _wants(include: Include, param: str, type: str) -> bool:
    return include.param in ("*", param) and include.target in ("", type)
