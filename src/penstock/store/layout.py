"""Which search parameters of a type live in hot columns, and what else the shape of its table depends on.

Derived from the definitions: the patient column answers parameters whose path holds one patient at most, so that one equality is the
whole truth; the date column answers the first of :data:`DATES` that the type has and that holds one value at most; the columns of the
number answer the first of :data:`NUMBERS`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from penstock.formats.fhir.definitions import SearchParam, r4
from penstock.formats.fhir.searchparams.components import is_of_whole

#: The date that people sort and filter a type by, in order of preference.
DATES = (
    "authoredon", "date", "birthdate", "onset-date", "authored", "authored-on", "occurrence", "effective", "effective-time", "started",
    "start", "created", "recorded", "issued", "sent", "whenhandedover", "collected", "identified", "start-date", "datetime", "datewritten",
    "period", "timestamp",
)  # fmt: skip

#: The quantity that people filter a type by.
NUMBERS = ("value-quantity",)

#: Names of the parameters that point at the patient whom a resource is about.
_PATIENTS = ("patient", "subject", "beneficiary")

#: Token parameters whose values are (nearly) unique: among the tokens they would ruin the statistics of the array.
_CONTACTS = frozenset(("phone", "email", "telecom"))

#: Parameters that columns of their own answer.
COLUMNS = frozenset(("_id", "_lastUpdated"))

#: Parameters that are the union of others: their values are indexed once (observation-spreadsheet, "combo-…").
UNIONS: dict[tuple[str, str], tuple[str, ...]] = {
    ("Observation", "combo-code"): ("code", "component-code"),
    ("Observation", "combo-value-concept"): ("value-concept", "component-value-concept"),
    ("Observation", "combo-value-quantity"): ("value-quantity", "component-value-quantity"),
    ("Observation", "combo-code-value-concept"): ("code-value-concept", "component-code-value-concept"),
    ("Observation", "combo-code-value-quantity"): ("code-value-quantity", "component-code-value-quantity"),
    ("Observation", "combo-data-absent-reason"): ("data-absent-reason", "component-data-absent-reason"),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """The shape of one type. ``patients`` are the parameters that the column ``pat`` answers for references to a Patient."""

    type: str
    current: str
    old: str
    patients: frozenset[str]
    code: str | None
    date: str | None
    number: str | None
    #: Bit of each of R4's own parameters in ``has``: 0 for those that others answer.
    bits: Mapping[str, int]


@cache
def layout(type: str) -> Layout:
    """The layout of a resource type; the caller has checked that R4 has it."""
    params = r4().search_params(type)
    patients = frozenset(code for code in _PATIENTS if code in params and _single(type, params[code].expression))
    code = "code" if "code" in params and params["code"].type == "token" else None
    date = next((code for code in DATES if code in params and params[code].type == "date" and _single(type, params[code].expression)), None)
    number = next((code for code in NUMBERS if code in params and params[code].type == "quantity"), None)
    return Layout(type, f"r_{type.lower()}", f"h_{type.lower()}", patients, code, date, number, _bits(type))


def _bits(type: str) -> dict[str, int]:
    """At most 63 parameters of a type have a value of their own; Observation, with the most, has about forty."""
    params = r4().search_params(type)
    own = [code for code in sorted(params) if params[code].expression and _has_values(type, params[code])]
    return dict.fromkeys(params, 0) | {code: 1 << place for place, code in enumerate(own)}


def _has_values(type: str, param: SearchParam) -> bool:
    if param.code in COLUMNS or (type, param.code) in UNIONS:
        return False
    return not (param.type == "composite" and is_of_whole(param, type))


@cache
def is_unique(param: str) -> bool:
    """Whether a token parameter lives in the ident table, not in the tokens."""
    return param.endswith("identifier") or param in _CONTACTS


def holds_contacts(param: str) -> bool:
    """Whether a parameter holds telephone numbers and addresses of mail, in which case does not matter."""
    return param in _CONTACTS


def _single(type: str, expression: str) -> bool:
    """Whether the paths of an expression within ``type`` are one element that holds one value at most."""
    paths = set(re.findall(rf"\b{type}((?:\.(?!where|as|exists)[a-zA-Z]+)+)", expression))
    if len(paths) != 1:
        return False
    names = paths.pop()[1:].split(".")
    steps = [r4().type_at(".".join((type, *names[: end + 1]))) for end in range(len(names))]
    return all(step is not None and not step.many for step in steps)
