"""``CodeSystem/$subsumes`` (http://hl7.org/fhir/R4/codesystem-operation-subsumes.html)."""

from __future__ import annotations

from penstock.api.operations.call import Call, answer_parameters
from penstock.api.operations.operation import HL7, Operation, Parameter
from penstock.api.operations.terms import COMMON, library, stored
from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.errors import Problem
from penstock.terminology.lookup import known_concept, known_system, subsumes


async def _subsumes(parts: Parts, request: Request, call: Call) -> Reply:
    held = [await stored(parts, request, call)] if call.id is not None else []
    one, other = call.one("codingA", {}), call.one("codingB", {})
    url = call.one("system") or (held[0].get("url") if held else None) or one.get("system")
    codes = call.one("codeA", one.get("code")), call.one("codeB", other.get("code"))
    if not url or not all(codes):
        raise Problem("required", "two codes and their code system are needed, or two codings", at="Parameters")
    if {one.get("system", url), other.get("system", url)} != {url}:
        raise Problem("not-supported", "both codes are of one code system", at="Parameters")
    version = call.one("version") or one.get("version") or other.get("version")
    system = known_system(library(parts, call, *held), url, version)
    return answer_parameters(request, ("outcome", "code", subsumes(system, *(known_concept(system, code) for code in codes))))


SUBSUMES = Operation(
    "subsumes",
    _subsumes,
    "fhir:read",
    ("type", "instance"),
    "How two codes are related",
    types=("CodeSystem",),
    parameters=(
        Parameter("codeA", "code", text="The one code"),
        Parameter("codeB", "code", text="The other code"),
        Parameter("system", "uri", text="Their code system"),
        Parameter("version", "string", text="The version of the code system"),
        Parameter("codingA", "Coding", text="The one code with its system"),
        Parameter("codingB", "Coding", text="The other code with its system"),
        *COMMON,
        Parameter("outcome", "code", 1, use="out", text="equivalent, subsumes, subsumed-by or not-subsumed"),
    ),
    canonical=HL7 + "CodeSystem-subsumes",
)
