"""``$validate-code`` of value sets and of code systems.

http://hl7.org/fhir/R4/valueset-operation-validate-code.html, http://hl7.org/fhir/R4/codesystem-operation-validate-code.html
"""

from __future__ import annotations

from typing import Any

from penstock.api.operations.call import Call, answer_parameters
from penstock.api.operations.operation import HL7, Operation, Parameter
from penstock.api.operations.terms import COMMON, DATE, LANGUAGE, VERSIONS, as_of, library, stored, value_set
from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.errors import Problem
from penstock.formats.fhir.validate import require
from penstock.terminology.codesystem import CodeSystem
from penstock.terminology.library import Library
from penstock.terminology.validation import Value, languages, of_code, of_coding, validate, validate_concept
from penstock.terminology.valueset import ValueSet
from penstock.terminology.verdict import Rules


async def _in_value_set(parts: Parts, request: Request, call: Call) -> Reply:
    known = library(parts, call)
    found = await value_set(parts, request, call, known)
    given = call.one("code"), call.one("system"), call.one("systemVersion"), call.one("display")
    if given[0] is not None and given[1] is None and not _infers(call):
        raise Problem("required", "a code needs its system or a context, unless the system is to be inferred", at="Parameters.system")
    return answer_parameters(request, *_judge(call, given, found, known, _rules(request, call, found)))


async def _in_code_system(parts: Parts, request: Request, call: Call) -> Reply:
    sent = call.one("codeSystem")
    if call.id is not None:
        sent = await stored(parts, request, call)
    elif sent is not None:
        require(sent)
    known = library(parts, call, *((sent,) if sent is not None else ()))
    url = call.one("url") or (sent or {}).get("url")
    if sent is not None and not url:
        raise Problem("required", "the code system has no url", at="CodeSystem.url")
    if call.one("code") is not None and url is None:
        raise Problem("required", "a code needs its code system: by its url, sent as codeSystem, or in the path", at="Parameters.url")
    used = known.system(url, call.one("version")) if url else None
    as_of(call, *([used.resource] if isinstance(used, CodeSystem) else ()))
    given = call.one("code"), url, call.one("version"), call.one("display")
    return answer_parameters(request, *_judge(call, given, None, known, _rules(request, call, None)._replace(system=url)))


def _judge(call: Call, given: tuple[Any, ...], found: ValueSet | None, known: Library, rules: Rules) -> list[Value]:
    """One of code, coding and codeableConcept."""
    code, coding, concept = given[0], call.one("coding"), call.one("codeableConcept")
    if sum(each is not None for each in (code, coding, concept)) != 1:
        raise Problem("invalid", "give one of code, coding and codeableConcept", at="Parameters")
    if concept is not None:
        return validate_concept(concept, found, known, rules)
    asked = of_code(*given) if coding is None else of_coding(coding)
    return validate(asked, found, known, rules, infer=_infers(call))


def _infers(call: Call) -> bool:
    """Whether a code comes without its system; an element that is bound to a value set has none."""
    return bool(call.one("inferSystem", call.one("context") is not None))


def _rules(request: Request, call: Call, found: ValueSet | None) -> Rules:
    return Rules(
        languages=languages(call.one("displayLanguage"), request.header(b"accept-language"), found),
        lenient_display=call.one("lenient-display-validation", False),
        membership_only=call.one("valueset-membership-only", False),
        active_only=call.one("activeOnly", False),
        abstract=call.one("abstract"),
    )


_ASKED = (
    Parameter("coding", "Coding", text="The coding that is to be validated"),
    Parameter("codeableConcept", "CodeableConcept", text="The concept of which one coding is to be valid and none wrong"),
    Parameter("display", "string", text="The display that is to be validated with the code"),
    Parameter("abstract", "boolean", text="Whether a code that only groups others is valid; it is where this is not given"),
    Parameter("lenient-display-validation", "boolean", text="Whether a wrong display is a warning only"),
    DATE,
    LANGUAGE,
)
_ANSWER = (
    Parameter("result", "boolean", 1, use="out", text="Whether it is valid"),
    Parameter("message", "string", use="out", text="What there is to say"),
    Parameter("display", "string", use="out", text="The right display"),
    Parameter("code", "code", use="out", text="The code that was validated"),
    Parameter("system", "uri", use="out", text="Its code system"),
    Parameter("version", "string", use="out", text="The version of the code system that was used"),
    Parameter("normalized-code", "code", use="out", text="The code as the code system writes it"),
    Parameter("inactive", "boolean", use="out", text="Whether the concept is inactive"),
    Parameter("status", "code", use="out", text="The status of the concept"),
    Parameter("codeableConcept", "CodeableConcept", use="out", text="The concept that was validated"),
    Parameter("issues", "OperationOutcome", use="out", text="Each thing that there is to say, with its place"),
    Parameter("x-unknown-system", "canonical", most=None, use="out", text="A code system that is not known here"),
    Parameter("x-caused-by-unknown-system", "canonical", most=None, use="out", text="The unknown system for which nothing can be told"),
)

VALUE_SET_VALIDATE_CODE = Operation(
    "validate-code",
    _in_value_set,
    "fhir:read",
    ("type", "instance"),
    "Whether a code is in a value set",
    types=("ValueSet",),
    parameters=(
        Parameter("url", "uri", text="The value set by its canonical URL"),
        Parameter("context", "uri", text="The element of which the bound value set counts: URL of the profile or type, #, path"),
        Parameter("valueSet", "ValueSet", text="The value set itself"),
        Parameter("valueSetVersion", "string", text="The version of the value set"),
        Parameter("code", "code", text="The code that is to be validated"),
        Parameter("system", "uri", text="Its code system"),
        Parameter("systemVersion", "string", text="The version of the code system"),
        Parameter("inferSystem", "boolean", text="Whether the code system is the one of the value set that has the code"),
        Parameter("activeOnly", "boolean", text="Whether inactive codes are not valid"),
        Parameter("valueset-membership-only", "boolean", text="Whether only membership is looked at"),
        *_ASKED,
        *VERSIONS,
        *COMMON,
        *_ANSWER,
    ),
    canonical=HL7 + "ValueSet-validate-code",
)
CODE_SYSTEM_VALIDATE_CODE = Operation(
    "validate-code",
    _in_code_system,
    "fhir:read",
    ("type", "instance"),
    "Whether a code is in a code system",
    types=("CodeSystem",),
    parameters=(
        Parameter("url", "uri", text="The code system by its canonical URL"),
        Parameter("codeSystem", "CodeSystem", text="The code system itself"),
        Parameter("code", "code", text="The code that is to be validated"),
        Parameter("version", "string", text="The version of the code system"),
        *_ASKED,
        *COMMON,
        *_ANSWER,
    ),
    canonical=HL7 + "CodeSystem-validate-code",
)
