"""The invariants of R4: every rule that the definitions state as FHIRPath, at every element of a resource.

Like the tests of ``types``, a visit is compiled once a type and planned once a shape: rules that the shape alone keeps
(:mod:`specialise`) and members under which no rule is stated cost nothing. Rules are read with the structure already known to be right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

from penstock.errors import Problem
from penstock.formats.fhir.definitions import Element, Invariant, TypeDef, r4
from penstock.formats.fhir.path import Env, parse, program
from penstock.formats.fhir.validate.errata import expression_of
from penstock.formats.fhir.validate.native import HELD, NATIVE, ids_held
from penstock.formats.fhir.validate.specialise import TRUE, specialise

#: Says whether a rule holds; None when it does not say.
Holds = Callable[[Any, Env], bool | None]


class Broken(NamedTuple):
    """``at`` is the rest of the path from the visited value on."""

    at: str
    key: str
    severity: str


Visit = Callable[[Any, Env], list[Broken] | None]
_Rule = tuple[str, str, Holds]
_Plan = tuple[tuple[_Rule, ...], tuple[tuple[str, str, Visit], ...]]

#: Shapes remembered for a type: property names come from outside.
_MOST_SHAPES = 500


def visit(resource: dict[str, Any], env: Env, *, warnings: bool) -> list[Broken]:
    """What a resource and all that it holds break; ``warnings`` also of the rules that only warn."""
    return of_type(resource["resourceType"], (), warnings)(resource, _holding(env, resource)) or []


def _holding(env: Env, root: dict[str, Any]) -> Env:
    """The environment of a resource that may contain others."""
    return replace(env, variables={HELD: ids_held(root)}) if "contained" in root else env


def words(broken: Broken) -> str:
    """What is said of a broken rule: its own words, which are the specification's."""
    return f"a rule of the specification is broken: {r4().words.get(broken.key, broken.key)} ({broken.key})"


@cache
def of_type(name: str, more: tuple[Invariant, ...], warnings: bool) -> Visit:
    """The visit of an object of a type; ``more`` are the rules that the element adds which holds it."""
    definition = r4().type(name)
    assert definition is not None, "the definitions refer to types that they define"
    stated = tuple(each for each in (*definition.invariants, *more) if warnings or each.severity == "error")
    shapes: dict[tuple[str, ...], _Plan] = {}

    def visit(value: Any, env: Env) -> list[Broken] | None:
        names = tuple(value)
        plan = shapes.get(names)
        if plan is None:
            if len(shapes) >= _MOST_SHAPES:
                shapes.clear()
            plan = shapes[names] = _plan(definition, stated, names, warnings)
        rules, members = plan
        found: list[Broken] | None = None
        for key, severity, holds in rules:
            if holds(value, env) is False:
                found = [*(found or ()), Broken("", key, severity)]
        for name, label, inner in members:
            if (more := inner(value[name], env)) is not None:
                found = [*(found or ()), *(Broken(label + each.at, each.key, each.severity) for each in more)]
        return found

    return visit


def _plan(definition: TypeDef, stated: tuple[Invariant, ...], names: tuple[str, ...], warnings: bool) -> _Plan:
    present = frozenset(_stem(definition, name) for name in names)
    rules = tuple(_rule(each, definition.name) for each in stated if not _kept_by_shape(each, definition, present))
    members = ((name, definition.elements.get(name)) for name in names)
    visits = ((name, element, _of_element(element, warnings)) for name, element in members if element is not None)
    return rules, tuple((name, f".{element.choice or element.name.removeprefix('_')}", inner) for name, element, inner in visits if inner)


def _stem(definition: TypeDef, name: str) -> str:
    element = definition.elements.get(name.removeprefix("_"))
    return (element.choice or element.name) if element else name


def _kept_by_shape(rule: Invariant, definition: TypeDef, present: frozenset[str]) -> bool:
    stems = frozenset(_stem(definition, name) for name in definition.elements)
    return specialise(parse(expression_of(rule)), stems, present) == TRUE


@cache
def _rule(rule: Invariant, type: str) -> _Rule:
    return rule.key, rule.severity, NATIVE.get(rule.key) or guarded(program(expression_of(rule), type).true)


def guarded(holds: Holds) -> Holds:
    """A rule that cannot be evaluated on some data says nothing of them."""

    def careful(value: Any, env: Env) -> bool | None:
        try:
            return holds(value, env)
        except Problem:
            return None

    return careful


@cache
def _of_element(element: Element, warnings: bool) -> Visit | None:
    """The visit of a property's value; None where no rule is stated below it."""
    one = _of_one(element, warnings)
    return _many(one) if one and element.many else one


def _of_one(element: Element, warnings: bool) -> Visit | None:
    if element.type == "Resource":
        return _resource(element.name == "contained", warnings)
    if element.primitive:
        return _primitive(element, warnings)
    return of_type(element.type, element.invariants, warnings)


def _primitive(element: Element, warnings: bool) -> Visit | None:
    stated = [each for each in element.invariants if warnings or each.severity == "error"]
    rules = tuple(_rule(each, element.type) for each in stated)
    if not rules:
        return None

    def visit(value: Any, env: Env) -> list[Broken] | None:
        if value is None:
            return None
        return [Broken("", key, severity) for key, severity, holds in rules if holds(value, env) is False] or None

    return visit


def _resource(contained: bool, warnings: bool) -> Visit:
    """A resource in another has its own ``%resource``; ``%rootResource`` is its container's only where it is contained in it."""

    def visit(value: Any, env: Env) -> list[Broken] | None:
        own = replace(env, resource=value)
        inner = own if contained else _holding(replace(own, root=value, variables={}), value)
        return of_type(value["resourceType"], (), warnings)(value, inner)

    return visit


def _many(one: Visit) -> Visit:
    def visit(values: Any, env: Env) -> list[Broken] | None:
        found: list[Broken] | None = None
        for place, value in enumerate(values):
            if value is not None and (more := one(value, env)) is not None:
                found = [*(found or ()), *(Broken(f"[{place}]{each.at}", each.key, each.severity) for each in more)]
        return found

    return visit
