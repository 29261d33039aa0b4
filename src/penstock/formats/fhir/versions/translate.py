"""One resource of R4 to another version, by the table of that version."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.definitions import Element, TypeDef, r4
from penstock.formats.fhir.versions.table import Rule, Table, mapped, table

Resource = dict[str, Any]

_STEP = re.compile(r"([A-Za-z]+)(\[\])?")


def translate(resource: Resource, version: str) -> Resource:
    """The resource in another version. Problem("not-acceptable") for a type that is not mapped, and for what has no place there."""
    return _resource(resource, table(version), str(resource.get("resourceType")))


def _resource(resource: Resource, table: Table, at: str) -> Resource:
    type = resource.get("resourceType")
    if type not in mapped(table.version):
        raise Problem("not-acceptable", _possible(table.version), at=at)
    return _object(resource, type, table, at)


@cache
def _possible(version: str) -> str:
    return f"FHIR {version} can be had of these types: {', '.join(mapped(version))}"


def _object(value: Resource, owner: str, table: Table, at: str) -> Resource:
    definition = r4().type(owner)
    assert definition is not None, "a stored resource has the types that R4 defines"
    rules, lost = table.rules.get(owner, {}), table.lost.get(owner, {})
    made: Resource = {}
    for name, held in value.items():
        element = definition.elements.get(name)
        if element is None:  # the resourceType
            made[name] = held
            continue
        plain, where = name.removeprefix("_"), f"{at}.{name.removeprefix('_')}"
        new = _each(held, element, table, where)
        if plain in rules:
            _move(made, name, new, rules[plain], table, where)
        elif plain in lost and not _allowed(held, lost[plain]):
            raise _no_place(table, where)
        else:
            made[name] = new
    _require(made, definition, table, at)
    return made


def _each(held: Any, element: Element, table: Table, at: str) -> Any:
    if held.__class__ is list:
        return [_one(each, element, table, f"{at}[{place}]") for place, each in enumerate(held)]
    return _one(held, element, table, at)


def _one(held: Any, element: Element, table: Table, at: str) -> Any:
    if held.__class__ is not dict:
        return held
    return _resource(held, table, at) if element.type == "Resource" else _object(held, element.type, table, at)


def _move(made: Resource, name: str, value: Any, rule: Rule, table: Table, at: str) -> None:
    """Put a value where its rule says: into a new property, into a list, into an object that is made for it."""
    if rule.to is None:
        raise _no_place(table, at)
    if name.startswith("_"):  # id and extensions of a primitive go with it, as far as it stays one
        if not rule.to.isalpha():
            raise _no_place(table, at)
        made[f"_{rule.to}"] = value
        return
    if value.__class__ is str:
        value = rule.codes.get(value, value)
    first, *rest = _STEP.findall(rule.to)
    if not first[1]:
        made[first[0]] = _wrapped(value, rest)
        return
    items = value if value.__class__ is list else [value]
    made.setdefault(first[0], []).extend(_wrapped(each, rest) for each in items)


def _wrapped(value: Any, steps: Iterable[tuple[str, str]]) -> Any:
    for name, many in reversed(list(steps)):
        value = {name: [value] if many else value}
    return value


def _allowed(held: Any, codes: frozenset[str] | None) -> bool:
    """Whether all codes of an element are ones that the other version has."""
    return codes is not None and codes.isdisjoint(_codes(held))


def _codes(held: Any) -> Iterable[str]:
    if held.__class__ is str:
        return (held,)
    if held.__class__ is list:
        return [code for each in held for code in _codes(each)]
    if held.__class__ is dict:
        return [code for each in (held, *held.get("coding", ())) for code in _codes(each.get("code"))]
    return ()


def _require(made: Resource, definition: TypeDef, table: Table, at: str) -> None:
    for name in table.needs.get(definition.name, ()):
        stem = name.removesuffix("[x]")
        if not any(each.removeprefix("_").startswith(stem) for each in made):
            raise Problem("not-acceptable", f"FHIR {table.version} requires an element that this resource does not have", at=f"{at}.{stem}")


def _no_place(table: Table, at: str) -> Problem:
    return Problem("not-acceptable", f"FHIR {table.version} has no place for an element of this resource: it can be had in 4.0", at=at)
