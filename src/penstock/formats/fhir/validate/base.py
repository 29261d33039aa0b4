"""The fast check of structure: elements, types, cardinality, choices, formats of primitives, required codes, form of references."""

from __future__ import annotations

from typing import Any

from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.validate.issue import Issue
from penstock.formats.fhir.validate.types import resource as _test

#: The most issues that one resource reports.
MOST = 100


def check(resource: dict[str, Any]) -> list[Issue]:
    """What is wrong with the structure of a resource, in the order of its content; nothing when it is right."""
    found = _test(resource)
    if found is None:
        return []
    name = resource.get("resourceType")
    root = name if isinstance(name, str) and name in r4().resource_types else "resourceType"
    return [Issue("error", each.code, each.text, root + each.at) for each in found[:MOST]]
