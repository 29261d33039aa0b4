"""What FHIR R4 has and other versions do not, as the compact table by which resources are translated.

    python tools/fhir_versions.py

Reads the definitions of STU3, R4, R4B and R5 below ``$PENSTOCK_DATA/fhir-definitions``. By version: ``[lost, needs, gone]``. ``lost``
has, for each type of R4 and each of its JSON properties that does not carry over as it is, null, or the codes that are no longer allowed.
``needs`` has the elements that the other version requires and R4 does not. ``gone`` lists resource types that the other version lacks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import zstandard

import fhir_elements
import fhir_terms
from fhir_definitions import DATA, R4, ROOT, rows

TARGET = ROOT / "src" / "penstock" / "formats" / "fhir" / "versions" / "differences.json.zst"
VERSIONS = {"3.0": "stu3-3.0.1", "4.3": "r4b-4.3.0", "5.0": "r5-5.0.0"}

#: Types whose JSON is a string of the same form, so that a value of the first may stand where the second is asked for.
WIDER = {
    "code": ("string", "markdown"),
    "id": ("string", "markdown"),
    "string": ("markdown",),
    "markdown": ("string",),
    "canonical": ("uri",),
    "url": ("uri",),
    "oid": ("uri",),
    "uuid": ("uri",),
    "date": ("dateTime",),
    "instant": ("dateTime",),
    "positiveInt": ("integer", "unsignedInt"),
    "unsignedInt": ("integer",),
}


class Property(NamedTuple):
    """One JSON property: of a choice there is one for each type."""

    type: str
    many: bool
    least: int
    value_set: str | None


class Version:
    """The types of one version of FHIR, and what its required bindings allow."""

    def __init__(self, folder: str) -> None:
        path = DATA / "fhir-definitions" / folder
        self.types = fhir_elements.table([_as_in_r4(row) for row in rows(path, "StructureDefinition")])
        sets = [row for row in rows(path, "ValueSet") if "compose" in row]
        self.codes = fhir_terms.bindings(self.types, sets, rows(path, "CodeSystem"))

    def properties(self, owner: str) -> dict[str, Property]:
        return dict(_properties(self.types[owner][3]))

    def required(self, owner: str) -> set[str]:
        return {name for name, _, least, *_ in self.types[owner][3] if least}

    def allowed(self, value_set: str | None) -> set[str] | None:
        """The codes of a required binding; None where it is open, or there is none."""
        systems = self.codes.get(value_set) if value_set else None
        return None if systems is None else {code for codes in systems.values() for code in codes}


def _as_in_r4(row: dict[str, Any]) -> dict[str, Any]:
    """A StructureDefinition as R4 writes it, as far as types, cardinalities and bindings go."""
    for element in row.get("snapshot", {}).get("element", ()):
        if "contentReference" in element:  # R5 puts the URL of the type before it
            element["contentReference"] = "#" + element["contentReference"].rpartition("#")[2]
        elif "type" not in element:  # the roots of STU3
            element["type"] = [{"code": "Element"}]
        element.setdefault("base", {"path": element["path"]})
        binding = element.get("binding", {})
        if "valueSet" not in binding:  # STU3 has a choice there, and other extensions
            binding.pop("extension", None)
            url = binding.get("valueSetUri") or binding.get("valueSetReference", {}).get("reference")
            binding |= {"valueSet": url} if url else {}
        for type in element.get("type", ()):
            type.pop("targetProfile", None)
    return row


def _properties(members: list[Any]) -> Iterator[tuple[str, Property]]:
    for name, types, least, most, _, _, binding, _ in members:
        value_set = binding[1] if binding and binding[0] == "required" else None
        stem = name.removesuffix("[x]")
        for type in types:
            held = f"{stem}{type[0].upper()}{type[1:]}" if name.endswith("[x]") else name
            yield held, Property(type, most != 1, least, value_set)


def lost(old: Version, new: Version, owner: str) -> dict[str, list[str] | None]:
    """The properties of a type of R4 that do not carry over."""
    there = new.properties(owner)
    found: dict[str, list[str] | None] = {}
    for name, before in old.properties(owner).items():
        if name == "id":  # string here, id there, and one kind of text everywhere
            continue
        after = there.get(name)
        if after is None or after.many != before.many or not _same_type(before.type, after.type, owner):
            found[name] = None
            continue
        allowed, were = new.allowed(after.value_set), old.allowed(before.value_set)
        if allowed is None:
            continue
        if were is None:
            found[name] = None
        elif were - allowed:
            found[name] = sorted(were - allowed)
    return found


def _same_type(before: str, after: str, owner: str) -> bool:
    return (
        before == after or after in WIDER.get(before, ()) or (before.startswith(owner) and after.startswith(owner.partition(".")[0] + "."))
    )


def differences(old: Version, new: Version) -> list[Any]:
    shared = [name for name in old.types if name in new.types]
    losses = {name: found for name in shared if (found := lost(old, new, name))}
    needs = {name: sorted(more) for name in shared if (more := new.required(name) - old.required(name))}
    return [losses, needs, sorted(name for name, row in old.types.items() if row[0] == "resource" and name not in new.types)]


@cache
def read(folder: str) -> Version:
    """A version, read once."""
    return Version(folder)


def table() -> bytes:
    found = {version: differences(read(R4.name), read(folder)) for version, folder in VERSIONS.items()}
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def main() -> None:
    data = table()
    packed = zstandard.ZstdCompressor(level=19).compress(data)
    TARGET.write_bytes(packed)
    print(f"{TARGET.name}: {len(data):,} bytes, {len(packed):,} compressed")


if __name__ == "__main__":
    main()
