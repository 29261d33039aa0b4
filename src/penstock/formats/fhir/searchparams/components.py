"""Composite parameters: values that must be found together in one element (http://hl7.org/fhir/R4/search.html#composite)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from penstock.errors import Problem
from penstock.formats.fhir.definitions import SearchParam, r4
from penstock.formats.fhir.path.flow import Flow, flows
from penstock.formats.fhir.path.parser import parse
from penstock.formats.fhir.searchparams.values import NORMALISE

_ROOT = "%resource."

#: Expressions of components that R4 misspells, by the definition of the component and what it says.
_ERRATA = {
    ("Observation-value-date", "value.as(DateTime) | value.as(Period)"): "value.as(dateTime) | value.as(Period)",
    ("DocumentReference-relatesto", "code"): "target",
    ("DocumentReference-relation", "target"): "code",
}


@dataclass(frozen=True, slots=True)
class Component:
    """One part: its kind, the parameter that it is defined by (``code`` is empty where that is not known), and its flows.

    ``type`` is where the flows begin: the element, or (``from_root``) the resource.
    """

    code: str
    kind: str
    flows: tuple[Flow, ...]
    type: str
    from_root: bool


@lru_cache(maxsize=4096)
def components(param: SearchParam, element: str, type: str) -> tuple[Component, ...]:
    """The parts of a composite within an element of a resource type.

    Problem("not-supported") when a part is not defined by a parameter of R4.
    """
    return tuple(_component(definition, expression, element, type) for definition, expression in param.components)


def _component(definition: str, expression: str, element: str, type: str) -> Component:
    defined = r4().params_by_url.get(definition.partition("|")[0])
    if defined is None or defined.type not in NORMALISE:
        raise Problem("not-supported", "a component of a composite search parameter is one of R4's own parameters that has values")
    expression = _ERRATA.get((definition.rpartition("/")[2], expression), expression)
    from_root = expression.startswith(_ROOT)
    start = type if from_root else element
    found = flows(parse(expression.removeprefix(_ROOT)), start)
    return Component(defined.code, defined.type, found, start, from_root)


@lru_cache(maxsize=4096)
def is_of_whole(param: SearchParam, type: str) -> bool:
    """Whether a composite pairs values of the resource itself that the parameters which define its parts find, too.

    Then its parts are searched apart, by those parameters: there is but one element for them to meet in.
    """
    if param.expression != type:
        return False
    params = r4().search_params(type)
    return all(
        part.code in params and params[part.code].type == part.kind and _valued(part) <= _valued_of(params[part.code], type)
        for part in components(param, type, type)
    )


@lru_cache(maxsize=4096)
def element_of(param: SearchParam, type: str) -> str:
    """The type of the element that a composite pairs values within."""
    return next((flow.type for flow in flows(parse(param.expression), type)), type)


def _valued(part: Component) -> frozenset[Flow]:
    return frozenset(flow for flow in part.flows if flow.type in NORMALISE[part.kind])


def _valued_of(param: SearchParam, type: str) -> frozenset[Flow]:
    return frozenset(flow for flow in flows(parse(param.expression), type) if flow.type in NORMALISE[param.type])
