"""The function of a resource type that finds all its search values, written as straight-line code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.definitions import SearchParam, r4
from penstock.formats.fhir.path.flow import Flow, Get, flows
from penstock.formats.fhir.path.generate import Consumer, Writer, emit
from penstock.formats.fhir.path.parser import parse
from penstock.formats.fhir.searchparams.indexed import Indexed
from penstock.formats.fhir.searchparams.values import NORMALISE, Normalise, extension_value

Resource = dict[str, Any]


def extract(resource: Resource) -> Indexed:
    """Everything that a resource can be found by. Problem("not-supported") for a type that R4 does not have."""
    found = Indexed()
    _extractor(resource["resourceType"])(resource, found)
    return found


@cache
def _extractor(type: str) -> Callable[[Resource, Indexed], None]:
    if type not in r4().resource_types:
        raise Problem("not-supported", "R4 has no such resource type", at="resourceType")
    writer = Writer()
    emit(writer, "resource", list(_walks(type)))
    return writer.function("extract", "resource, found")


def _walks(type: str) -> Iterator[tuple[Flow, Consumer]]:
    """Every flow of every search parameter of a type, with what is to be done with its values."""
    for param in r4().search_params(type).values():
        if not param.expression or param.type not in NORMALISE:
            continue
        for flow in flows(parse(param.expression), type):
            if consumer := _consumer(param, flow, type):
                yield flow, consumer


def _consumer(param: SearchParam, flow: Flow, type: str) -> Consumer | None:
    if param.type == "token" and flow.type == "code":
        return _coded(param.code, _implied_system(flow, type))
    normalise = extension_value(param.type) if flow.type == "Extension" else NORMALISE[param.type].get(flow.type)
    return _normalised(param.code, normalise) if normalise else None


def _normalised(code: str, normalise: Normalise) -> Consumer:
    def write(writer: Writer, value: str, type: str) -> None:
        writer.line(f"{writer.constant(normalise)}(found, {code!r}, {value})")

    return write


def _coded(code: str, system: str | None) -> Consumer:
    def write(writer: Writer, value: str, type: str) -> None:
        writer.line(f"found.tokens.append(({code!r}, {system!r}, {value}))")

    return write


def _implied_system(flow: Flow, type: str) -> str | None:
    """The code system of a code that is bound to codes of only one (search.html#token)."""
    element, owner = None, type
    for step in flow.steps:
        if isinstance(step, Get) and (definition := r4().type(owner)) and (element := definition.elements.get(step.name)):
            owner = element.type
    if element is None or element.binding is None or element.binding.strength != "required":
        return None
    systems = r4().required_codes(element.binding.value_set)
    return next(iter(systems)) if systems and len(systems) == 1 else None
