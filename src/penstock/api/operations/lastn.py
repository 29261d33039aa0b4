"""``Observation/$lastn`` (http://hl7.org/fhir/R4/observation-operation-lastn.html): the newest observations of each code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from penstock.api.fhir.bundles import bundle, search_entry
from penstock.api.fhir.subject import FORM, fhir_reply
from penstock.api.operations.call import Call
from penstock.api.operations.operation import HL7, Operation, Parameter
from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.db import Tx
from penstock.errors import Problem
from penstock.formats.fhir.dates import span_or_none
from penstock.store import Stored

#: Observations that one call looks at.
MOST = 20_000
_PAGE = 1_000
_SUBJECTS = ("patient", "subject")
#: Parameters with a code in their expression: one of them keeps a call from reading a whole record.
_CODED = (
    "category",
    "code",
    "combo-code",
    "component-code",
    "value-concept",
    "code-value-concept",
    "code-value-quantity",
    "code-value-string",
)
_CONTROLS = frozenset(("_count", "_cursor", "_sort", "_include", "_revinclude", "_total", "_summary", "_elements"))
_ANY_GROUP: tuple[str, str] = ("", "")


async def _lastn(parts: Parts, request: Request, call: Call) -> Reply:
    most = int(call.one("max", 1))
    if most < 1:
        raise Problem("value", "max is a positive number", at="max")
    criteria = _criteria(request, call)
    async with parts.database.transaction(readonly=True) as tx:
        newest_first = await _found(parts, tx, request, criteria)
    chosen = last(newest_first, most)
    entries = [search_entry(request.base, stored, "match") for stored, _ in chosen]
    return fhir_reply(200, bundle("searchset", entries, total=len(entries)))


def _criteria(request: Request, call: Call) -> list[tuple[str, str]]:
    """The search parameters of the URL, with any modifiers, and those of the body."""
    pairs = [(name, value) for name, value in request.arguments() if name not in FORM and name != "max" and value]
    pairs += [(name, value) for name in (*_SUBJECTS, *_CODED, "date", "status") for value in call.many(name)]
    names = {name.partition(":")[0].partition(".")[0] for name, _ in pairs}
    if names.isdisjoint(_SUBJECTS):
        raise Problem("required", "name the subject, by patient or subject", at="http.patient")
    if names.isdisjoint(_CODED):
        raise Problem("required", "narrow it by category, or by a parameter that holds a code", at="http.category")
    if not names.isdisjoint(_CONTROLS):
        raise Problem("not-supported", "this operation has its own order and size", at="http.query")
    return list(dict.fromkeys(pairs))


async def _found(parts: Parts, tx: Tx, request: Request, criteria: Sequence[tuple[str, str]]) -> list[tuple[Stored, dict[str, Any]]]:
    found: list[tuple[Stored, dict[str, Any]]] = []
    cursor: list[tuple[str, str]] = []
    while True:
        pairs = [*criteria, ("_sort", "-date"), ("_count", str(_PAGE)), *cursor]
        page = await parts.store.search(tx, request.access, "Observation", pairs)
        found += [(entry.stored, entry.stored.resource()) for entry in page.entries]
        if page.next is None:
            return found
        if len(found) >= MOST:
            raise Problem("too-costly", "too many observations match: narrow them by code or date")
        cursor = [("_cursor", page.next)]


def last(observations: Sequence[tuple[Stored, dict[str, Any]]], most: int) -> list[tuple[Stored, dict[str, Any]]]:
    """The first ``most`` of each group, and those with the time of the last of them, in the order that they came in (newest first)."""
    groups = _groups([resource.get("code", {}) for _, resource in observations])
    taken: dict[int, list[Any]] = {}
    chosen = []
    for pair, group in zip(observations, groups, strict=True):
        times = taken.setdefault(group, [])
        time = _time(pair[1])
        if len(times) < most or (time is not None and time == times[most - 1]):
            times.append(time)
            chosen.append(pair)
    return chosen


def _groups(codes: Sequence[dict[str, Any]]) -> list[int]:
    """A number for each code; codes that share a coding, even through others, have the same."""
    parent: list[int] = list(range(len(codes)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    first: dict[tuple[str, str], int] = {}
    for number, code in enumerate(codes):
        for key in _keys(code):
            parent[root(number)] = root(first.setdefault(key, number))
    return [root(number) for number in range(len(codes))]


def _keys(code: dict[str, Any]) -> Iterator[tuple[str, str]]:
    codings = [(each.get("system", ""), each["code"]) for each in code.get("coding", ()) if "code" in each]
    if codings:
        yield from codings
    else:
        yield ("text", code["text"]) if "text" in code else _ANY_GROUP


def _time(observation: dict[str, Any]) -> Any:
    """When it was: two that say the same moment in different time zones are a tie."""
    at = observation.get("effectiveDateTime") or observation.get("effectiveInstant") or observation.get("effectivePeriod", {}).get("start")
    return span_or_none(at)


_TEXT = "As in a search of Observations"
LASTN = Operation(
    "lastn", _lastn, "fhir:search", ("type",), "The newest observations of each code: one of each, or as many as max says, and ties",
    types=("Observation",), open=True, canonical=HL7 + "Observation-lastn",
    parameters=(
        Parameter("max", "positiveInt", text="How many of each code; 1 where nothing is said"),
        *(Parameter(name, "string", most=None, text=_TEXT) for name in (*_SUBJECTS, *_CODED, "date", "status")),
        Parameter("return", "Bundle", 1, use="out", text="A searchset, newest first"),
    ),
)  # fmt: skip
