"""``ConceptMap/$translate`` (http://hl7.org/fhir/R4/conceptmap-operation-translate.html)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from penstock.api.operations.call import Call, answer_parameters
from penstock.api.operations.operation import HL7, Operation, Parameter
from penstock.api.operations.parameters import Value
from penstock.api.operations.terms import COMMON, library, stored
from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.errors import Problem
from penstock.formats.fhir.validate import require
from penstock.terminology.conceptmap import ConceptMap, Match, Translated, translate
from penstock.terminology.filters import as_text
from penstock.terminology.library import Library

Json = dict[str, Any]

#: How many codings of one concept are translated.
_MOST_CODINGS = 100


async def _translate(parts: Parts, request: Request, call: Call) -> Reply:
    known = library(parts, call)
    back = call.one("reverse", False)
    asked = list(_asked(call))
    maps = await _maps(parts, request, call, known, None if back else asked[0].system)
    found = [match for each in asked for match in translate(maps, each, known.concept_map, back=back)]
    return answer_parameters(request, *_answer(found, bool(maps)))


def _asked(call: Call) -> Iterable[Translated]:
    """What is to be translated: a code, a coding, or every coding of a concept."""
    concept = call.one("codeableConcept")
    codings = [call.one("coding")] if call.one("coding") is not None else (concept or {}).get("coding", [])
    if call.one("code") is not None:
        codings = [*codings, {"code": call.one("code"), "system": call.one("system")}]
    if not codings or (len(codings) > 1 and concept is None) or not all(each.get("code") for each in codings):
        raise Problem("invalid", "give one of code, coding and codeableConcept", at="Parameters")
    if len(codings) > _MOST_CODINGS:
        raise Problem("too-costly", "a concept has more codings than are translated", at="Parameters.codeableConcept")
    given = dict(map(_dependency, call.many("dependency")))
    return [Translated(each.get("system"), each["code"], call.one("targetsystem"), given) for each in codings]


def _dependency(parts: Any) -> tuple[str, str]:
    """A value that a map may look at: the element, and its code."""
    concept = parts.one("concept", {})
    coding: Json = next(iter(concept.get("coding", ())), {})
    return parts.one("element", ""), as_text(coding.get("code") or concept.get("text", ""))


async def _maps(parts: Parts, request: Request, call: Call, known: Library, system: str | None) -> list[ConceptMap]:
    """The map of the path, of the body or of a URL; else all that fit the systems and value sets."""
    if call.id is not None:
        return [ConceptMap(await stored(parts, request, call))]
    sent, url = call.one("conceptMap"), call.one("url")
    if sent is not None:
        require(sent)
        return [ConceptMap(sent)]
    if url is None:
        return known.maps_from(system, call.one("source"), call.one("target"))
    version = call.one("conceptMapVersion")
    found = known.concept_map(f"{url}|{version}" if version and "|" not in url else url)
    if found is None:
        raise Problem("not-found", "there is no concept map of this URL here", at="Parameters.url")
    return [found]


def _answer(found: list[Match], mapped: bool) -> list[Value]:
    result = any(each.translates for each in found)
    values: list[Value] = [("result", "boolean", result)]
    if not result:
        text = "no map has a translation for this concept" if mapped else "no concept map that is known here maps this system"
        values.append(("message", "string", text))
    return [*values, *(("match", "part", list(_match(each))) for each in found)]


def _match(match: Match) -> Iterable[Value]:
    if match.equivalence:
        yield "equivalence", "code", match.equivalence
    coding = {"system": match.system, "code": match.code, "display": match.display}
    if match.code:
        yield "concept", "Coding", {name: value for name, value in coding.items() if value}
    for product in match.row.get("product", ()):
        yield "product", "part", list(_product(product))
    if match.map:
        yield "source", "uri", match.map


def _product(product: Json) -> Iterable[Value]:
    if "property" in product:
        yield "element", "uri", product["property"]
    coding = {"system": product.get("system"), "code": product.get("value"), "display": product.get("display")}
    yield "concept", "Coding", {name: value for name, value in coding.items() if value}


TRANSLATE = Operation(
    "translate",
    _translate,
    "fhir:read",
    ("type", "instance"),
    "What a concept is in another code system",
    types=("ConceptMap",),
    parameters=(
        Parameter("url", "uri", text="The concept map by its canonical URL"),
        Parameter("conceptMap", "ConceptMap", text="The concept map itself"),
        Parameter("conceptMapVersion", "string", text="The version of the concept map"),
        Parameter("code", "code", text="The code that is to be translated"),
        Parameter("system", "uri", text="Its code system"),
        Parameter("version", "string", text="The version of the code system"),
        Parameter("source", "uri", text="The value set that the map maps from"),
        Parameter("coding", "Coding", text="The coding that is to be translated"),
        Parameter("codeableConcept", "CodeableConcept", text="The concept of which every coding is translated"),
        Parameter("target", "uri", text="The value set that the map maps to"),
        Parameter("targetsystem", "uri", text="The code system that is wanted"),
        Parameter(
            "dependency",
            most=None,
            text="Another value on which a translation may depend",
            parts=(Parameter("element", "uri", text="Which one"), Parameter("concept", "CodeableConcept", text="Its value")),
        ),
        Parameter("reverse", "boolean", text="Whether what is mapped to the code is wanted"),
        *COMMON,
        Parameter("result", "boolean", 1, use="out", text="Whether there is a translation"),
        Parameter("message", "string", use="out", text="Why there is none"),
        Parameter(
            "match",
            most=None,
            use="out",
            text="A translation",
            parts=(
                Parameter("equivalence", "code", use="out"),
                Parameter("concept", "Coding", use="out"),
                Parameter(
                    "product",
                    most=None,
                    use="out",
                    parts=(Parameter("element", "uri", use="out"), Parameter("concept", "Coding", use="out")),
                ),
                Parameter("source", "uri", use="out"),
            ),
        ),
    ),
    canonical=HL7 + "ConceptMap-translate",
)
