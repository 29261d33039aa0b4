"""``$expand``: the codes of a value set, as a ValueSet with an expansion (http://hl7.org/fhir/R4/valueset-operation-expand.html)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from penstock.errors import Problem
from penstock.terminology.codesystem import CodeSystem
from penstock.terminology.concept import Json
from penstock.terminology.listing import Entry, Listing, entries
from penstock.terminology.shown import Manner, declarations, show
from penstock.terminology.valueset import ValueSet

#: Codes that one answer holds at most.
MOST = 20_000
#: Codes that may be looked at for one answer.
_WORK = 1_000_000
#: Levels of codes within codes that an answer has at most.
_DEEP = 50
#: Elements of a definition that an expansion leaves out unless they are asked for, and those that it never has.
_DEFINITION = ("compose", "contained", "extension")
_NEVER = ("expansion", "meta", "text")

Echo = tuple[str, str, Any]
"""A parameter that the expansion repeats: its name, the name of its JSON value, the value."""


class Wanted(NamedTuple):
    """What of a value set is to be listed, and how.

    ``words`` are in lower case, ``limit`` is the size of a page, ``without`` are code systems that are left out; ``nested`` is None where
    the client does not say.
    """

    words: tuple[str, ...] = ()
    limit: int | None = None
    offset: int | None = None
    active_only: bool = False
    selectable_only: bool = False
    nested: bool | None = None
    definition: bool = False
    manner: Manner = Manner()
    without: frozenset[str] = frozenset()
    echo: tuple[Echo, ...] = ()


def expand(value_set: ValueSet, wanted: Wanted, *, identifier: str, timestamp: str) -> Json:
    """The expansion. ``identifier`` and ``timestamp`` are what it is called and when that was."""
    listing = Listing(_WORK, partly=True)
    found = [each for each in entries(value_set, listing).values() if _is_wanted(each, wanted)]
    page, nested = _page(found, wanted)
    declared: dict[str, str | None] = {}
    rows = [show(each, wanted.manner, declared) for each in page]
    expansion: Json = {"identifier": identifier, "timestamp": timestamp, "total": len(found)}
    if declared:
        expansion = {"extension": declarations(declared), **expansion}
    if wanted.offset is not None:
        expansion["offset"] = wanted.offset
    expansion["parameter"] = [{"name": name, key: value} for name, key, value in (*wanted.echo, *_used(value_set, listing.parts))]
    if not expansion["parameter"]:
        del expansion["parameter"]
    if rows:
        expansion["contains"] = _tree(page, rows) if nested else rows
    left_out = _NEVER if wanted.definition else (*_NEVER, *_DEFINITION)
    return {**{name: value for name, value in value_set.resource.items() if name not in left_out}, "expansion": expansion}


def _is_wanted(entry: Entry, wanted: Wanted) -> bool:
    if wanted.without and ({entry.url, entry.system.canonical if entry.system else entry.url} & wanted.without):
        return False
    if wanted.active_only and entry.inactive:
        return False
    if wanted.selectable_only and isinstance(entry.system, CodeSystem) and entry.system.abstract(entry.concept):
        return False
    return not wanted.words or _mentions(entry, wanted.words)


def _mentions(entry: Entry, words: tuple[str, ...]) -> bool:
    """Whether the code and its names have every word, in any case, also within a word."""
    system = entry.system
    held = system.text(entry.concept) if isinstance(system, CodeSystem) else entry.concept.code.casefold()
    if entry.written:
        held = f"{held}\n{entry.written.get('display', '').casefold()}"
    return all(word in held for word in words)


def _page(found: list[Entry], wanted: Wanted) -> tuple[list[Entry], bool]:
    """The codes of this answer, and whether they are nested: a page and the finds of a text are a list and not a tree."""
    start = wanted.offset or 0
    page = found[start : len(found) if wanted.limit is None else start + wanted.limit]
    if len(page) > MOST:
        raise Problem("too-costly", "this value set has more codes than one answer holds: ask for pages with count and offset")
    if wanted.nested is None:
        return page, wanted.limit is None and wanted.offset is None and not wanted.words
    return page, wanted.nested and len(page) == len(found)


def _tree(page: list[Entry], rows: list[Json]) -> list[Json]:
    """Each row under that of the code directly above it, where that is there too; a tree too deep for readers of JSON is a list."""
    places = {(each.url, each.concept.code): row for each, row in zip(page, rows, strict=True) if each.placed}
    roots: list[Json] = []
    for entry, row in zip(page, rows, strict=True):
        above = _above(entry, places)
        (roots if above is None else above.setdefault("contains", [])).append(row)
    if not _is_deep(roots):
        return roots
    for row in rows:
        row.pop("contains", None)
    return rows


def _is_deep(roots: list[Json]) -> bool:
    level = roots
    for _ in range(_DEEP):
        level = [below for row in level for below in row.get("contains", ())]
        if not level:
            return False
    return True


def _above(entry: Entry, places: dict[tuple[str, str], Json]) -> Json | None:
    """The row of the first code directly above; codes that lie above themselves have none."""
    if not entry.placed or not isinstance(entry.system, CodeSystem) or entry.concept.code in entry.system.circular:
        return None
    return next((row for code in entry.concept.parents if (row := places.get((entry.url, code))) is not None), None)


def _used(value_set: ValueSet, parts: Iterable[str]) -> list[Echo]:
    """What the expansion was made from (http://hl7.org/fhir/R4/valueset.html#expansion, "used-codesystem")."""
    clauses = list(value_set.clauses())
    systems = dict.fromkeys(each.system.canonical for each in clauses if each.system is not None)
    sets = dict.fromkeys(one.canonical for each in clauses for one in each.imports if one.url and not _is_contained(value_set, one))
    added = dict.fromkeys(name for each in clauses if isinstance(each.system, CodeSystem) for name in each.system.supplement_names)
    return [
        *(("used-codesystem", "valueUri", each) for each in systems),
        *(("used-valueset", "valueUri", each) for each in sets),
        *(("used-supplement", "valueUri", each) for each in added),
        *(("fragment", "valueUri", each) for each in parts),
    ]


def _is_contained(outer: ValueSet, inner: ValueSet) -> bool:
    return any(each is inner.resource for each in outer.resource.get("contained", ()))
