"""Concept maps that stewardship writes: one for each source system, found again by its id; pure."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Protocol

from penstock.errors import Problem

Resource = dict[str, Any]


class Mapped(Protocol):
    """What one code of a source system means."""

    @property
    def system(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def target_system(self) -> str: ...
    @property
    def target_code(self) -> str: ...
    @property
    def display(self) -> str: ...


def map_id(system: str) -> str:
    """The id of the ConceptMap of a source system."""
    return f"local-codes-{sha256(system.encode()).hexdigest()[:24]}"


def with_mapping(current: Resource | None, mapping: Mapped) -> Resource:
    """The ConceptMap of a source system with one more code, or with another meaning of one that it has."""
    if not mapping.system or not mapping.code or not mapping.target_system or not mapping.target_code:
        raise Problem("required", "a mapping names the system and the code on both sides")
    id_ = map_id(mapping.system)
    out = current or {"resourceType": "ConceptMap", "id": id_, "url": f"urn:penstock:{id_}", "name": "LocalCodes", "status": "active"}
    groups = [without(group, mapping.code) if group.get("source") == mapping.system else group for group in out.get("group", ())]
    home = next((one for one in groups if (one.get("source"), one.get("target")) == (mapping.system, mapping.target_system)), None)
    if home is None:
        home = {"source": mapping.system, "target": mapping.target_system, "element": []}
        groups.append(home)
    target = {"code": mapping.target_code, **({"display": mapping.display} if mapping.display else {}), "equivalence": "equivalent"}
    home["element"] = sorted([*home["element"], {"code": mapping.code, "target": [target]}], key=lambda one: str(one["code"]))
    return {**out, "status": "active", "group": [group for group in groups if group["element"]]}


def without(group: Resource, code: str) -> Resource:
    return {**group, "element": [one for one in group.get("element", ()) if one.get("code") != code]}


def maps_of(bundle: Resource) -> list[Resource]:
    """The ConceptMaps of a Bundle, or the one that is given alone."""
    if bundle.get("resourceType") == "ConceptMap":
        return [bundle]
    entries = bundle.get("entry", ()) if bundle.get("resourceType") == "Bundle" else ()
    found = [entry.get("resource") for entry in entries if isinstance(entry, dict)]
    if not found or not all(isinstance(one, dict) and one.get("resourceType") == "ConceptMap" and one.get("id") for one in found):
        raise Problem("structure", "this is no ConceptMap with an id, and no Bundle of them")
    return [one for one in found if one]
