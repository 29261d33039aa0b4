"""Is this a structurally valid R4 resource? ``check`` answers with all that is wrong, by path.

Elements, types, cardinality, choices, formats of primitives, required codes, form and target of references. Not here: invariants and
profiles. Issues hold paths and constant words, never values.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from penstock.errors import Problem, Problems
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.validate.types import resource as _test

__all__ = ["Issue", "check", "require"]

#: The most issues that one resource reports.
MOST = 100


class Issue(NamedTuple):
    """``severity`` is error or warning, ``code`` an issue type as in :data:`penstock.errors.MEANINGS`, ``at`` a FHIRPath."""

    severity: str
    code: str
    text: str
    at: str


def check(resource: dict[str, Any]) -> list[Issue]:
    """What is wrong with a resource, in the order of its content; nothing when it is valid."""
    found = _test(resource)
    if found is None:
        return []
    name = resource.get("resourceType")
    root = name if isinstance(name, str) and name in r4().resource_types else "resourceType"
    return [Issue("error", each.code, each.text, root + each.at) for each in found[:MOST]]


def require(resource: dict[str, Any]) -> None:
    """Raise what ``check`` finds, as Problems."""
    if issues := check(resource):
        raise Problems([Problem(issue.code, issue.text, at=issue.at) for issue in issues])
