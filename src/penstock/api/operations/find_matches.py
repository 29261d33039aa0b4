"""``CodeSystem/$find-matches`` (http://hl7.org/fhir/R4/codesystem-operation-find-matches.html): codes by their properties."""

from __future__ import annotations

from typing import Any

from penstock.api.operations.call import Call, answer_parameters
from penstock.api.operations.operation import HL7, Operation, Parameter
from penstock.api.operations.terms import COMMON, library, stored
from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.errors import Problem
from penstock.terminology.filters import as_text
from penstock.terminology.lookup import find_matches, known_system

#: Matches that one answer holds.
_MOST = 1_000


async def _find_matches(parts: Parts, request: Request, call: Call) -> Reply:
    held = [await stored(parts, request, call)] if call.id is not None else []
    url = call.one("system") or (held[0].get("url") if held else None)
    if not url:
        raise Problem("required", "the code system is needed", at="Parameters.system")
    system = known_system(library(parts, call, *held), url, call.one("version"))
    wanted = dict(map(_property, call.many("property")))
    return answer_parameters(request, *find_matches(system, wanted, exact=call.one("exact"), most=_MOST))


def _property(parts: Any) -> tuple[str, str]:
    if parts["subproperty"]:
        raise Problem("not-supported", "properties of R4 have no properties of their own", at="Parameters.property.subproperty")
    return parts.one("code"), as_text(parts.one("value"))


_PROPERTY = Parameter(
    "property", most=None, use="out", parts=(Parameter("code", "code", use="out"), Parameter("value", "Element", use="out"))
)

FIND_MATCHES = Operation(
    "find-matches",
    _find_matches,
    "fhir:read",
    ("type", "instance"),
    "The codes that have properties",
    types=("CodeSystem",),
    parameters=(
        Parameter("system", "uri", text="The code system"),
        Parameter("version", "string", text="The version of the code system"),
        Parameter(
            "property",
            least=1,
            most=None,
            text="A property that the codes have",
            parts=(
                Parameter("code", "code", 1, text="Which property"),
                Parameter("value", "Element", 1, text="Its value"),
                Parameter("subproperty", most=None, parts=(Parameter("code", "code"), Parameter("value", "Element"))),
            ),
        ),
        Parameter("exact", "boolean", 1, text="Whether a code must have all properties, or some"),
        *COMMON,
        Parameter(
            "match",
            most=None,
            use="out",
            text="A code that matches",
            parts=(
                Parameter("code", "Coding", use="out"),
                Parameter("unmatched", most=None, use="out", text="Properties that it does not have", parts=(_PROPERTY,)),
            ),
        ),
    ),
    canonical=HL7 + "CodeSystem-find-matches",
)
