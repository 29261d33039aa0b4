"""Deterministic matching by identifier, and following merges to the survivor.

A message's Patient has an id that derives from its preferred identifier. When another stored patient already has one of its
strong identifiers, that patient is meant. Two or more candidates are nobody's to choose between: the message's own id stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Resource = dict[str, Any]
Identifier = tuple[str, str]

#: HL7 table 0203 types that name a visit, an account or a document, and not a person.
_WEAK = frozenset({"AN", "VN", "ACSN", "PLAC", "FILL", "DL"})


def strong_identifiers(patient: Resource) -> list[Identifier]:
    """(system, value) of the identifiers that can tell one person from all others."""
    return [
        (identifier["system"], identifier["value"])
        for identifier in patient.get("identifier", ())
        if identifier.get("system") and identifier.get("value") and not _WEAK & set(_types(identifier))
    ]


def _types(identifier: Resource) -> Iterable[str]:
    return (coding.get("code", "") for coding in identifier.get("type", {}).get("coding", ()))


def survivor(patient: Resource | None) -> str | None:
    """The id of the patient that replaced this one (Patient.link ``replaced-by``), or None."""
    for link in (patient or {}).get("link", ()):
        if link.get("type") == "replaced-by":
            return str(link["other"]["reference"]).removeprefix("Patient/")
    return None


def choose(own: str, identifiers: Sequence[Identifier], owners: Mapping[Identifier, frozenset[str]]) -> str:
    """The id under which a patient is stored: its own, unless all that is known of its identifiers is one other patient."""
    found: frozenset[str] = frozenset().union(*(owners.get(identifier, frozenset()) for identifier in identifiers))
    return next(iter(found)) if len(found) == 1 else own


def rename(resources: Sequence[Resource], names: Mapping[str, str]) -> list[Resource]:
    """The same resources with ``Type/a`` called ``Type/b`` for each of ``names``, in ids and references alike."""
    return [_renamed(resource, names) for resource in resources] if names else list(resources)


def _renamed(resource: Resource, names: Mapping[str, str]) -> Resource:
    new: Resource = rename_parts(resource, names)
    own = names.get(f"{resource['resourceType']}/{resource['id']}")
    if own:
        new["id"] = own.partition("/")[2]
    return new


def rename_parts(value: Any, names: Mapping[str, str]) -> Any:
    """A part of a resource with its references by other names."""
    if isinstance(value, dict):
        return {
            name: names.get(inner, inner) if name == "reference" and isinstance(inner, str) else rename_parts(inner, names)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [rename_parts(inner, names) for inner in value]
    return value
