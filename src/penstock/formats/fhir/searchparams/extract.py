"""The function of a resource type that finds all its search values, written as straight-line code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from penstock.formats.fhir.definitions import SearchParam, r4
from penstock.formats.fhir.path.flow import Flow, Get, flows
from penstock.formats.fhir.path.generate import Consumer, Writer, emit
from penstock.formats.fhir.path.parser import parse
from penstock.formats.fhir.searchparams.components import Component, components, is_of_whole
from penstock.formats.fhir.searchparams.indexed import Indexed
from penstock.formats.fhir.searchparams.values import NORMALISE, Normalise, extension_value

Resource = dict[str, Any]


def extractor(type: str, params: Mapping[str, SearchParam]) -> Callable[[Resource, Indexed], None]:
    """The function that adds to an :class:`Indexed` what a resource of ``type`` has for each parameter."""
    writer = Writer()
    emit(writer, "resource", [walk for param in params.values() for walk in _walks(param, type)])
    return writer.function("extract", "resource, found")


def _walks(param: SearchParam, type: str) -> Iterator[tuple[Flow, Consumer]]:
    """Every flow of a parameter within a type, with what is to be done with its values."""
    if not param.expression:
        return
    if param.type == "composite":
        if not (is_of_whole(param, type) or param.code.startswith("combo-")):  # those are the union of two others
            for flow in flows(parse(param.expression), type):
                yield flow, _pairs(param, components(param, flow.type, type))
        return
    if param.type not in NORMALISE:
        return
    for flow in flows(parse(param.expression), type):
        if consumer := _consumer(param.code, param.type, flow, type, "found"):
            yield flow, consumer


def _consumer(code: str, kind: str, flow: Flow, type: str, into: str) -> Consumer | None:
    if kind == "token" and flow.type == "code":
        return _coded(code, _implied_system(flow, type), into)
    normalise = extension_value(kind) if flow.type == "Extension" else NORMALISE[kind].get(flow.type)
    return _normalised(code, normalise, into) if normalise else None


def _normalised(code: str, normalise: Normalise, into: str) -> Consumer:
    def write(writer: Writer, value: str, type: str) -> None:
        writer.line(f"{writer.constant(normalise)}({into}, {code!r}, {value})")

    return write


def _coded(code: str, system: str | None, into: str) -> Consumer:
    def write(writer: Writer, value: str, type: str) -> None:
        writer.line(f"{into}.tokens.append(({code!r}, {system!r}, {value}))")

    return write


def _pairs(param: SearchParam, parts: tuple[Component, ...]) -> Consumer:
    """Each component is gathered within the one element, and what is whole is kept together."""

    def write(writer: Writer, value: str, type: str) -> None:
        names = []
        for part in parts:
            name = writer.fresh("part")
            names.append(name)
            writer.line(f"{name} = {writer.constant(Indexed)}(found.base)")
            holder = "resource" if part.from_root else value
            found = [(flow, _consumer(param.code, part.kind, flow, part.type, name)) for flow in part.flows]
            emit(writer, holder, [(flow, consumer) for flow, consumer in found if consumer])
        writer.line(f"{writer.constant(_keep)}(found, {param.code!r}, ({', '.join(names)},))")

    return write


def _keep(found: Indexed, code: str, parts: tuple[Indexed, ...]) -> None:
    if all(part.params() for part in parts):
        found.composites.append((code, parts))


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
