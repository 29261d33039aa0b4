"""What a condition finds (http://hl7.org/fhir/R4/http.html#cond-update): the ids of the resources that a search without controls has."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.api.parts import Parts
from penstock.api.request import decode_form
from penstock.auth.access import Access
from penstock.db import Tx
from penstock.errors import Problem

#: Parameters that shape a result; a condition has none of them.
_CONTROLS = frozenset(
    {"_count", "_cursor", "_elements", "_format", "_include", "_pretty", "_revinclude", "_sort", "_summary", "_total"}
)  # fmt: skip


async def find_ids(parts: Parts, tx: Tx, access: Access, type_: str, criteria: str, *, at: str, most: int = 2) -> list[str]:
    """The ids that a condition finds, ``most`` at most."""
    given = [(name, value) for name, value in decode_form(criteria) if value]
    if not given or not _CONTROLS.isdisjoint(name for name, _ in given):
        raise Problem("invalid", "a condition has search criteria, and nothing else", at=at)
    page = await parts.store.search(tx, access, type_, [*given, ("_count", str(most))])
    return [entry.stored.id for entry in page.entries]


async def find_one(parts: Parts, tx: Tx, access: Access, type_: str, criteria: str, *, at: str) -> str | None:
    """The one id that a condition finds, or None; several are ``multiple-matches``."""
    return only(await find_ids(parts, tx, access, type_, criteria, at=at), at=at)


def only(found: Sequence[str], *, at: str) -> str | None:
    """The one that was found, or None; several are ``multiple-matches``."""
    if len(found) > 1:
        raise Problem("multiple-matches", "the condition finds several resources", at=at)
    return found[0] if found else None
