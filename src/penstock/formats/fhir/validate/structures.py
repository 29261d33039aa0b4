"""A StructureDefinition as something to be applied: it can be, and it does not contradict what it is based on."""

from __future__ import annotations

from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.validate.issue import Issue
from penstock.formats.fhir.validate.items import Item
from penstock.formats.fhir.validate.profile.apply import World
from penstock.formats.fhir.validate.profile.build import compile_profile
from penstock.formats.fhir.validate.profile.elements import constraints, is_type
from penstock.formats.fhir.validate.profile.values import fits

Json = dict[str, Any]


def check(item: Item, world: World) -> list[Issue]:
    """A constraint on a type of R4 compiles; its differential keeps to the fixed values and limits of its base."""
    definition = item.value
    if definition.get("derivation") != "constraint" or r4().type(str(definition.get("type"))) is None:
        return []
    try:
        compile_profile(definition, world.definition)
        return _contradictions(item, world)
    except (TypeError, AttributeError, ValueError, KeyError):
        return [
            Issue("warning", "invalid", "what the profile is based on does not have the form of a StructureDefinition", item.at, "profile")
        ]
    except Problem as problem:
        severity = "warning" if problem.code == "not-found" else "error"
        return [Issue(severity, problem.code, problem.text, item.at, "profile")]


def _contradictions(item: Item, world: World) -> list[Issue]:
    url = str(item.value.get("baseDefinition", ""))
    base = None if is_type(url) else world.definition(url)
    if base is None:
        return []
    above = constraints(base, world.definition)
    own = constraints({**item.value, "snapshot": {}, "baseDefinition": None}, world.definition)
    issues = []
    for id, element in own.items():
        if id in above and not _keeps(above[id], element):
            text = "an element is given another value than the base profile fixes"
            issues.append(Issue("error", "value", text, f"{item.at}.differential", "fixed"))
    return issues


def _keeps(above: Json, element: Json) -> bool:
    """What was fixed stays fixed; what must fit a pattern still does."""
    fixed = next(((name, value) for name, value in above.items() if name.startswith(("fixed", "pattern"))), None)
    given = next((value for name, value in element.items() if name.startswith(("fixed", "pattern"))), None)
    if fixed is None or given is None:
        return True
    return fits(fixed[1], given) if fixed[0].startswith("pattern") else bool(fixed[1] == given)
