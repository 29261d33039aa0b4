"""What a site asks of resources beyond R4: profiles that a type must follow, and the least that it must say.

A demand is about one type, and may be about some sources only (clients of the API, interfaces). It rejects, or lets pass with warnings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from penstock.errors import Problem, Problems
from penstock.formats.fhir.path import Env, program
from penstock.formats.fhir.validate.issue import Issue
from penstock.formats.fhir.validate.policy import Policy
from penstock.formats.fhir.validate.validator import Validator

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Demand:
    """``name`` is what an outcome calls it. ``sources`` are the clients and interfaces that it is about; none means everybody.

    ``elements`` are FHIRPath expressions that must find something, ``identifier_systems`` those of which one identifier must be, and
    ``provenance`` asks for ``meta.source``. ``unknown_profile`` is how bad it is that the profiles lead to one that is not known.
    """

    name: str
    type: str
    sources: frozenset[str] = frozenset()
    rejects: bool = True
    profiles: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()
    identifier_systems: frozenset[str] = frozenset()
    provenance: bool = False
    unknown_profile: str = "warning"

    def applies_to(self, source: str) -> bool:
        return not self.sources or source in self.sources


class Demands:
    """The demands of a site by type. With none it costs one look-up a resource."""

    def __init__(self, validator: Validator, demands: Sequence[Demand] = ()) -> None:
        self._validator = validator
        self._by_type: dict[str, list[Demand]] = {}
        for demand in demands:
            self._by_type.setdefault(demand.type, []).append(demand)

    def check(self, resource: Resource, source: str, *, now: datetime | None = None) -> list[Issue]:
        """What a valid resource from a source lacks: errors of demands that reject, warnings of those that do not."""
        found: list[Issue] = []
        for demand in self._by_type.get(resource["resourceType"], ()):
            if demand.applies_to(source):
                issues = [*self._profiles(demand, resource, now), *_least(demand, resource)]
                found += [issue if demand.rejects else issue._replace(severity="warning") for issue in issues]
        return found

    def require(self, resource: Resource, source: str, *, now: datetime | None = None) -> list[Issue]:
        """Raise what rejects, as Problems that name profile, element and rule; the warnings, where nothing does."""
        issues = self.check(resource, source, now=now)
        wrong = [issue for issue in issues if issue.severity == "error"]
        if wrong:
            raise Problems([Problem(issue.code, worded(issue), at=issue.at) for issue in wrong])
        return issues

    def _profiles(self, demand: Demand, resource: Resource, now: datetime | None) -> list[Issue]:
        policy = Policy(unknown_profile=demand.unknown_profile)
        return self._validator.follow(resource, demand.profiles, policy=policy, now=now) if demand.profiles else []


def worded(issue: Issue) -> str:
    """The words of an issue with the definitions that it names."""
    named = {"profile": issue.profile, "element": issue.element, "rule": issue.rule}
    told = ", ".join(f"{what} {name}" for what, name in named.items() if name)
    return f"{issue.text} ({told})" if told else issue.text


def _least(demand: Demand, resource: Resource) -> list[Issue]:
    """The minimum data set."""
    type, env = resource["resourceType"], Env(resource=resource, root=resource)
    found = [
        Issue("error", "required", "an element that this site requires is missing", f"{type}.{expression}", demand.name)
        for expression in demand.elements
        if not program(expression, type)(resource, env)
    ]
    if demand.identifier_systems and not _identified(resource, demand.identifier_systems):
        text = "none of the identifiers is of a system that this site requires"
        found.append(Issue("error", "required", text, f"{type}.identifier", demand.name))
    if demand.provenance and not (resource.get("meta") or {}).get("source"):
        found.append(Issue("error", "required", "this site requires to know the source", f"{type}.meta.source", demand.name))
    return found


def _identified(resource: Resource, systems: frozenset[str]) -> bool:
    given: Any = resource.get("identifier", [])
    each = given if isinstance(given, list) else [given]
    return any(one.get("system") in systems and one.get("value") for one in each)
