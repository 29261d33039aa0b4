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


def is_merged_away(patient: Resource) -> bool:
    return survivor(patient) is not None


def choose(own: str, identifiers: Sequence[Identifier], owners: Mapping[Identifier, frozenset[str]]) -> str:
    """The id under which a patient is stored: its own, unless all that is known of its identifiers is one other patient."""
    found: frozenset[str] = frozenset().union(*(owners.get(identifier, frozenset()) for identifier in identifiers))
    return next(iter(found)) if len(found) == 1 else own


def rename(resources: Sequence[Resource], names: Mapping[str, str]) -> list[Resource]:
    """The same resources with ``Patient/a`` called ``Patient/b`` for each a, b of ``names``, in ids and references alike."""
    changed = {f"Patient/{old}": f"Patient/{new}" for old, new in names.items() if old != new}
    return [_renamed(resource, changed) for resource in resources] if changed else list(resources)


def _renamed(resource: Resource, changed: Mapping[str, str]) -> Resource:
    new: Resource = _references(resource, changed)
    own = changed.get(f"{resource['resourceType']}/{resource['id']}")
    if own:
        new["id"] = own.removeprefix("Patient/")
    return new


def _references(value: Any, changed: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            name: changed.get(inner, inner) if name == "reference" and isinstance(inner, str) else _references(inner, changed)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_references(inner, changed) for inner in value]
    return value
