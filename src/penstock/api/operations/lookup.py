"""``CodeSystem/$lookup`` (http://hl7.org/fhir/R4/codesystem-operation-lookup.html)."""

from __future__ import annotations

from penstock.api.operations.call import Call, answer_parameters
from penstock.api.operations.operation import HL7, Operation, Parameter
from penstock.api.operations.terms import COMMON, DATE, LANGUAGE, as_of, library
from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.errors import Problem
from penstock.terminology.codesystem import CodeSystem
from penstock.terminology.languages import parse
from penstock.terminology.lookup import known_concept, known_system, lookup


async def _lookup(parts: Parts, request: Request, call: Call) -> Reply:
    coding = call.one("coding", {})
    code, system = call.one("code", coding.get("code")), call.one("system", coding.get("system"))
    if not code or not system:
        raise Problem("required", "a lookup needs a code and its system, or a coding with both", at="Parameters.code")
    found = known_system(library(parts, call), system, call.one("version", coding.get("version")))
    as_of(call, *([found.resource] if isinstance(found, CodeSystem) else ()))
    spoken = parse(call.one("displayLanguage") or request.header(b"accept-language"))
    return answer_parameters(request, *lookup(found, known_concept(found, code), spoken, call.many("property")))


LOOKUP = Operation(
    "lookup",
    _lookup,
    "fhir:read",
    ("type",),
    "What a code means",
    types=("CodeSystem",),
    parameters=(
        Parameter("code", "code", text="The code"),
        Parameter("system", "uri", text="Its code system"),
        Parameter("version", "string", text="The version of the code system"),
        Parameter("coding", "Coding", text="The code, its system and version"),
        DATE,
        LANGUAGE,
        Parameter("property", "code", most=None, text="The properties that are wanted; all where none is named"),
        *COMMON,
        Parameter("name", "string", 1, use="out", text="The name of the code system"),
        Parameter("version", "string", use="out", text="The version that was used"),
        Parameter("display", "string", 1, use="out", text="The display of the concept"),
        Parameter("code", "code", use="out", text="The code as the system writes it"),
        Parameter("system", "uri", use="out", text="The code system"),
        Parameter("definition", "string", use="out", text="What the concept is"),
        Parameter("abstract", "boolean", use="out", text="Whether it only groups others"),
        Parameter("used-supplement", "canonical", most=None, use="out", text="A supplement that was applied"),
        Parameter(
            "designation",
            most=None,
            use="out",
            text="A name of the concept",
            parts=(
                Parameter("language", "code", use="out"),
                Parameter("use", "Coding", use="out"),
                Parameter("value", "string", 1, use="out"),
                Parameter("source", "canonical", use="out"),
            ),
        ),
        Parameter(
            "property",
            most=None,
            use="out",
            text="A property of the concept",
            parts=(
                Parameter("code", "code", 1, use="out"),
                Parameter("value", "Element", use="out"),
                Parameter("description", "string", use="out"),
            ),
        ),
    ),
    canonical=HL7 + "CodeSystem-lookup",
)
