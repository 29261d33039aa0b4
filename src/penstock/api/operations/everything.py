"""``$everything`` of a Patient and of an Encounter (http://hl7.org/fhir/R4/patient-operation-everything.html, encounter-…).

The compartment is walked type by type, each by a search within the caller's Access; what the resources of a page refer to and is not of
the compartment itself (practitioners, medications, …) comes along with that page. A next link holds the place in that walk.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from penstock.api.fhir.bundles import bundle, search_entry
from penstock.api.fhir.read import present
from penstock.api.fhir.subject import fhir_reply
from penstock.api.operations.call import Call
from penstock.api.operations.operation import HL7, Operation, Parameter
from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.auth.access import Access
from penstock.db import Tx
from penstock.errors import Problem
from penstock.formats.fhir.dates import span
from penstock.formats.fhir.definitions import r4
from penstock.store import Stored
from penstock.store.compartment import SHARED
from penstock.store.layout import layout

#: Resources of a page where the caller does not say; a longer record goes on behind the next link.
WHOLE = 10_000
#: Resources that one page may bring along.
ALONG = 5_000
_PAGE = 1_000
_REFERENCE = re.compile(rb'"reference":"([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})["/]')
_PLACE = re.compile(r"(\d{1,3})\.(\d{1,4})\.(\S{0,2000})")
#: Dates that say nothing about when care was given.
_NO_CARE = frozenset(("birthdate",))

Pairs = tuple[tuple[str, str], ...]


class Leg(NamedTuple):
    """One search of the walk."""

    type: str
    pairs: Pairs


class Place(NamedTuple):
    """Where a page begins: the leg, the ``_count`` and the cursor of its search."""

    leg: int = 0
    size: int = 0
    cursor: str = ""

    @classmethod
    def of(cls, text: str | None) -> Place:
        if text is None:
            return cls()
        found = _PLACE.fullmatch(text)
        if found is None:
            raise Problem("invalid", "this is not a page link of this operation", at="_cursor")
        return cls(int(found[1]), min(int(found[2]), _PAGE), found[3])

    def __str__(self) -> str:
        return f"{self.leg}.{self.size}.{self.cursor}"


@dataclass(frozen=True)
class Walk:
    """What is walked, and as whom: for a patient, an Access that sees nothing but this patient.

    ``own`` are types that come by the walk or not at all: another patient's record is not brought along because somebody refers to it.
    """

    access: Access
    legs: Sequence[Leg]
    own: frozenset[str] = frozenset()


async def _patient(parts: Parts, request: Request, call: Call) -> Reply:
    if call.id is None:  # whose record is meant can only be known of a token that is bound to one patient
        if request.access.patient is None:
            raise Problem("required", "name the patient: this token is not bound to one", at="http.id")
        call = replace(call, id=request.access.patient)
    assert call.id
    mine = request.access.patient in (None, call.id)
    access = replace(request.access, patient=call.id) if mine else request.access
    types = ["Patient", *sorted(set(r4().compartment("Patient")) - SHARED - {"Patient"})]
    legs = [Leg(type, _care(type, call)) for type in types]
    return await _answer(parts, request, call, Walk(access, legs, frozenset(types)))


async def _encounter(parts: Parts, request: Request, call: Call) -> Reply:
    assert call.id
    compartment = r4().compartment("Encounter")
    legs = [Leg("Encounter", (("_id", call.id),))]
    for type in sorted(set(compartment) - {"Encounter"}):
        legs += [Leg(type, ((param, f"Encounter/{call.id}"),)) for param in compartment[type] if param != "{def}"]
    return await _answer(parts, request, call, Walk(request.access, legs))


async def _answer(parts: Parts, request: Request, call: Call, walk: Walk) -> Reply:
    assert call.type and call.id
    wanted = set(_types(call))
    for type in wanted:
        request.access.require("search", type)
    legs = [leg for leg in walk.legs if may_see(walk.access, leg.type)]
    if wanted and wanted.issubset(leg.type for leg in legs):  # else what is wanted may only be referred to by what is not
        legs = [leg for leg in legs if leg.type in wanted]
    since = _since(call)
    count = _count(call)
    async with parts.database.transaction(readonly=True) as tx:
        present(await parts.store.read(tx, request.access, call.type, call.id))
        found, following = await _walked(parts, tx, replace(walk, legs=legs), Place.of(call.one("_cursor")), count, since)
        along = await _along(parts, tx, request.access, walk, found, wanted)
    entries = [search_entry(request.base, stored, "match") for stored in found if not wanted or stored.type in wanted]
    entries += [search_entry(request.base, stored, "include") for stored in along if since is None or stored.last_updated >= since]
    links = [("self", _link(request, call, call.one("_cursor")))]
    if following is not None:
        links.append(("next", _link(request, call, str(following))))
    return fhir_reply(200, bundle("searchset", entries, links=links))


async def _walked(parts: Parts, tx: Tx, walk: Walk, place: Place, count: int, since: datetime | None) -> tuple[list[Stored], Place | None]:
    """Up to ``count`` resources from ``place`` on, and the place of the next page. Only the last page may be without any."""
    found: list[Stored] = []
    updated = (("_lastUpdated", f"ge{since.isoformat()}"),) if since else ()
    while place.leg < len(walk.legs):
        room = count - len(found)
        size = place.size or min(room, _PAGE)
        if room <= 0 or size > room:
            return found, place
        leg = walk.legs[place.leg]
        pairs = [*leg.pairs, *updated, ("_count", str(size))] + ([("_cursor", place.cursor)] if place.cursor else [])
        page = await parts.store.search(tx, walk.access, leg.type, pairs)
        found += [entry.stored for entry in page.entries]
        place = Place(place.leg + 1) if page.next is None else Place(place.leg, size, page.next)
    return found, None


async def _along(parts: Parts, tx: Tx, access: Access, walk: Walk, found: Sequence[Stored], wanted: set[str]) -> list[Stored]:
    """What ``found`` refers to outside of the compartment, as far as the caller may read it."""
    keys = {key for stored in found for key in references(stored.body)} - {(stored.type, stored.id) for stored in found}
    keys = {key for key in keys if key[0] not in walk.own and (not wanted or key[0] in wanted) and may_see(access, key[0], "read")}
    if len(keys) > ALONG:
        raise Problem("too-costly", "this page would bring along too many resources: ask for fewer with _count", at="_count")
    there = await parts.store.read_many(tx, access, keys) if keys else {}
    return [there[key] for key in sorted(there)]


def references(body: bytes) -> Iterator[tuple[str, str]]:
    """The resources of this server that a stored body refers to. A quote inside of a text is escaped: no text looks like a reference."""
    for match in _REFERENCE.finditer(body):
        type = match[1].decode()
        if type in r4().resource_types:
            yield type, match[2].decode()


def may_see(access: Access, type: str, interaction: str = "search") -> bool:
    """Whether the caller may see any resource of a type."""
    if not access.permits(interaction, type):
        return False
    return access.patient is None or type in SHARED or type == "Patient" or bool(r4().compartment("Patient").get(type))


def _care(type: str, call: Call) -> Pairs:
    """``start`` and ``end`` as criteria on the date of care that a type is sorted by; a type without one is not limited."""
    date = layout(type).date
    if date is None or date in _NO_CARE:
        return ()
    given = (("ge", call.one("start")), ("le", call.one("end")))
    return tuple((date, prefix + value) for prefix, value in given if value is not None)


def _types(call: Call) -> list[str]:
    types = [type for value in call.many("_type") for type in value.split(",") if type]
    if not r4().resource_types.issuperset(types):
        raise Problem("code-invalid", "this is not a resource type of FHIR R4", at="_type")
    return types


def _since(call: Call) -> datetime | None:
    return None if call.one("_since") is None else span(call.one("_since"))[0]


def _count(call: Call) -> int:
    count = call.one("_count")
    if count is None:
        return WHOLE
    if count < 1:
        raise Problem("value", "_count is a positive number here", at="_count")
    return min(int(count), WHOLE)


def _link(request: Request, call: Call, cursor: str | None) -> str:
    given: list[tuple[str, Any]] = [(name, value) for name in ("start", "end", "_since", "_type", "_count") for value in call.many(name)]
    query = urlencode(given + ([("_cursor", cursor)] if cursor else []))
    return f"{request.base}/fhir/{call.type}/{call.id}/$everything" + (f"?{query}" if query else "")


_COMMON = (
    Parameter("_since", "instant", text="Only what was stored or changed since then"),
    Parameter("_type", "code", most=None, text="Only these resource types, separated by commas"),
    Parameter("_count", "integer", text=f"Resources on a page; without it all of them, up to {WHOLE}"),
    Parameter("_cursor", "string", text="Where a page begins: only in links that this server makes"),
    Parameter("return", "Bundle", 1, use="out", text="A searchset"),
)
_START = Parameter("start", "date", text="Only care from this date on; types without a date of care are not limited")
_END = Parameter("end", "date", text="Only care up to this date; types without a date of care are not limited")

PATIENT_EVERYTHING = Operation(
    "everything", _patient, "fhir:read", ("type", "instance"), "The whole record of a patient, and what it refers to",
    types=("Patient",), parameters=(_START, _END, *_COMMON), canonical=HL7 + "Patient-everything",
)  # fmt: skip
ENCOUNTER_EVERYTHING = Operation(
    "everything", _encounter, "fhir:read", ("instance",), "Everything about an encounter, and what it refers to",
    types=("Encounter",), parameters=_COMMON, canonical=HL7 + "Encounter-everything",
)  # fmt: skip
