"""Who the entries of a transaction are: the ids that they write, and what conditional references mean (http.html#2.21.0.17.2).

A conditional reference is resolved as if everything else in the transaction were done already: what the Bundle deletes is not found, and
what it writes is found by its new content.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from penstock.api.fhir.entries import Entry, Resource
from penstock.api.fhir.find import find_ids, find_one, only
from penstock.api.fhir.links import conditional_references
from penstock.api.parts import Parts
from penstock.auth.access import Access
from penstock.db import Tx
from penstock.errors import Problem
from penstock.formats.fhir.searchparams import Indexed
from penstock.store.change import Key
from penstock.store.identified import owned
from penstock.store.index import Index
from penstock.store.search.match import matches
from penstock.store.search.parse import parse
from penstock.store.search.query import Query

#: How often a conditional reference of one Bundle may be compared with a resource of the same Bundle.
_COMPARED = 100_000


class Identity(NamedTuple):
    """The id that an entry writes, and whether its condition found it."""

    id: str
    found: bool = False


async def identify(parts: Parts, tx: Tx, access: Access, writes: Sequence[Entry]) -> dict[int, Identity]:
    """The identity of each entry by its number."""
    known = await owned(tx, {entry.number: (access, query) for entry in writes if (query := _query(parts, entry))})
    identities: dict[int, Identity] = {}
    for entry in writes:
        found = None
        if entry.number in known:
            found = only(known[entry.number], at=f"{entry.at}.request")
        elif entry.condition:
            found = await find_one(parts, tx, access, entry.type, entry.condition, at=f"{entry.at}.request")
        identities[entry.number] = _identity(entry, found)
    return identities


def _query(parts: Parts, entry: Entry) -> Query | None:
    """The condition of an entry, where it is right; what is wrong with it is said by the search that tries it."""
    if not entry.condition or not entry.condition.startswith("identifier="):
        return None
    try:
        return parse(entry.type, entry.condition, parameters=parts.store.index.parameters)
    except Problem:
        return None


def _identity(entry: Entry, found: str | None) -> Identity:
    """The id of the URL, the one that was found, the resource's own where it may have one, or a new one."""
    own = entry.resource.get("id") if entry.resource is not None and entry.method == "PUT" else None
    known = entry.id or found
    if known and entry.method == "PUT" and own != known and (own or entry.id):
        raise Problem("invalid", "the resource has another id than the URL, or none", at=f"{entry.at}.resource.id")
    if known:
        return Identity(known, found is not None)
    return Identity(own if isinstance(own, str) else str(uuid.uuid4()))


async def referenced(
    parts: Parts, tx: Tx, access: Access, writes: Sequence[Entry], identities: Mapping[int, Identity], links: Mapping[str, str]
) -> dict[str, str]:
    """What each conditional reference (``Patient?identifier=…``) in the entries becomes; it must find exactly one resource."""
    asked: dict[str, Entry] = {}
    for entry in writes:
        for reference in conditional_references(entry.resource):
            if reference not in links:
                asked.setdefault(reference, entry)
    found: dict[str, str] = {}
    future = _Future(parts.store.index, writes, identities)
    for reference, entry in asked.items():
        type_, _, criteria = reference.partition("?")
        ids = await find_ids(parts, tx, access, type_, criteria, at=f"{entry.at}.resource")
        after = future.of(type_, criteria, ids)
        if len(ids) > 1 or len(after) != 1:
            raise Problem("precondition", "a conditional reference finds no resource, or several", at=f"{entry.at}.resource")
        found[reference] = f"{type_}/{after.pop()}"
    return found


class _Future:
    """What searches will find once the entries are written."""

    def __init__(self, index: Index, writes: Sequence[Entry], identities: Mapping[int, Identity]) -> None:
        self._by = index
        self._gone: set[Key] = set()
        self._written: dict[str, list[tuple[str, Resource]]] = {}
        self._indexed: dict[Key, Indexed] = {}
        self._compared = 0
        for entry in writes:
            id_, found = identities[entry.number]
            if entry.method == "DELETE":
                self._gone.add((entry.type, id_))
            elif entry.resource is not None and entry.method != "PATCH" and not (entry.method == "POST" and found):
                self._written.setdefault(entry.type, []).append((id_, entry.resource))

    def of(self, type_: str, criteria: str, ids: Sequence[str]) -> set[str]:
        """``ids``, which a search finds now, less those that it will not find, and those that it will."""
        candidates = self._written.get(type_, ())
        self._compared += len(candidates)
        if self._compared > _COMPARED:
            raise Problem("too-costly", "a Bundle has too many conditional references to the types that it writes")
        found = {id_ for id_ in ids if (type_, id_) not in self._gone}
        query = parse(type_, criteria, parameters=self._by.parameters)
        for id_, resource in candidates:
            matched = self._matches(query, type_, {**resource, "id": id_})
            (found.add if matched else found.discard)(id_)
        return found

    def _matches(self, query: Query, type_: str, resource: Resource) -> bool:
        key = type_, resource["id"]
        if key not in self._indexed:
            self._indexed[key] = self._by.parameters.extract(resource)
        return matches(query, self._indexed[key], resource, parameters=self._by.parameters, terminology=self._by.terminology)
