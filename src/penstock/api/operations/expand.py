"""``ValueSet/$expand`` (http://hl7.org/fhir/R4/valueset-operation-expand.html)."""

from __future__ import annotations

import uuid
from typing import Any

from penstock.api.operations.call import Call, answer
from penstock.api.operations.operation import HL7, Operation, Parameter
from penstock.api.operations.terms import COMMON, DATE, LANGUAGE, VERSIONS, library, value_set
from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.errors import Problem
from penstock.terminology.expansion import Echo, Wanted, expand
from penstock.terminology.shown import Manner
from penstock.terminology.validation import languages

#: Parameters that an expansion repeats, with the JSON names of their values.
_ECHOED = {
    "filter": "valueString",
    "offset": "valueInteger",
    "count": "valueInteger",
    "includeDesignations": "valueBoolean",
    "includeDefinition": "valueBoolean",
    "activeOnly": "valueBoolean",
    "excludeNested": "valueBoolean",
    "excludeNotForUI": "valueBoolean",
    "excludePostCoordinated": "valueBoolean",
    "date": "valueDateTime",
    "displayLanguage": "valueCode",
    "designation": "valueString",
    "exclude-system": "valueUri",
    "system-version": "valueUri",
    "check-system-version": "valueUri",
    "force-system-version": "valueUri",
}


async def _expand(parts: Parts, request: Request, call: Call) -> Reply:
    known = library(parts, call)
    found = await value_set(parts, request, call, known)
    wanted = _wanted(call, languages(call.one("displayLanguage"), request.header(b"accept-language"), found))
    named = f"urn:uuid:{uuid.uuid4()}"
    return answer(request, expand(found, wanted, identifier=named, timestamp=parts.clock.now().isoformat(timespec="milliseconds")))


def _wanted(call: Call, spoken: tuple[str, ...]) -> Wanted:
    nested = call.one("excludeNested")
    return Wanted(
        words=tuple(call.one("filter", "").casefold().split()),
        limit=_natural(call, "count"),
        offset=_natural(call, "offset"),
        active_only=call.one("activeOnly", False),
        selectable_only=call.one("excludeNotForUI", False),
        nested=None if nested is None else not nested,
        definition=call.one("includeDefinition", False),
        without=frozenset(call.many("exclude-system")),
        manner=Manner(
            spoken, call.one("includeDesignations", bool(call.many("designation"))), _uses(call), tuple(map(str, call.many("property")))
        ),
        echo=_echo(call),
    )


def _natural(call: Call, name: str) -> int | None:
    number: int | None = call.one(name)
    if number is not None and number < 0:
        raise Problem("invalid", "count and offset are not negative", at=f"Parameters.{name}")
    return number


def _uses(call: Call) -> tuple[tuple[str, str], ...]:
    """The designations that are wanted: tokens of a use, or of a language."""
    return tuple((system, code) for system, _, code in (str(each).rpartition("|") for each in call.many("designation")))


def _echo(call: Call) -> tuple[Echo, ...]:
    return tuple((name, key, value) for name, key in _ECHOED.items() for value in call.many(name))


def _boolean(name: str, text: str) -> Parameter:
    return Parameter(name, "boolean", text=text)


_PARAMETERS: tuple[Parameter, ...] = (
    Parameter("url", "uri", text="The value set by its canonical URL"),
    Parameter("valueSet", "ValueSet", text="The value set itself"),
    Parameter("valueSetVersion", "string", text="The version of the value set"),
    Parameter("context", "uri", text="The element of which the bound value set is wanted: URL of the profile or type, #, path"),
    Parameter("contextDirection", "code", text="Whether the codes are to be sent or received; the expansion is the same for both"),
    Parameter("filter", "string", text="Words that a code or one of its names has"),
    DATE,
    Parameter("offset", "integer", text="How many codes are left out at the beginning"),
    Parameter("count", "integer", text="How many codes a page has"),
    _boolean("includeDesignations", "Whether the other names of concepts are wanted"),
    Parameter("designation", "string", most=None, text="system|code of a use, or urn:ietf:bcp:47|language: which names are wanted"),
    _boolean("includeDefinition", "Whether the definition of the value set is wanted too"),
    _boolean("activeOnly", "Whether inactive codes are left out"),
    _boolean("excludeNested", "Whether the codes come as a list and not as a tree; a page is always a list"),
    _boolean("excludeNotForUI", "Whether codes that only group others are left out"),
    _boolean("excludePostCoordinated", "Whether post-coordinated codes are left out; there are none"),
    LANGUAGE,
    Parameter("exclude-system", "canonical", most=None, text="Code systems, or versions of them, that are left out"),
    Parameter("property", "code", most=None, text="Properties of concepts that are wanted"),
    *VERSIONS,
    *COMMON,
    Parameter("return", "ValueSet", 1, use="out", text="The value set with its expansion"),
)

EXPAND = Operation(
    "expand",
    _expand,
    "fhir:read",
    ("type", "instance"),
    "The codes of a value set",
    types=("ValueSet",),
    parameters=_PARAMETERS,
    canonical=HL7 + "ValueSet-expand",
)


def parameters() -> list[dict[str, Any]]:
    """The parameters of an expansion, as a TerminologyCapabilities lists them."""
    left_out = ("url", "valueSet", "valueSetVersion", "context", "contextDirection", "cache-id", "return")
    return [{"name": each.name} for each in _PARAMETERS if each.name not in left_out]
