"""What codes mean that no table knows: the concept maps of the site, as a conversion needs them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from penstock.convert.codes import Concept

#: Equivalences (R4 concept-map-equivalence) whose target may stand for the source: it means the same or more.
STANDS_FOR = frozenset({"equal", "equivalent", "wider", "subsumes"})


class LocalCode(NamedTuple):
    """The standard meaning of a local code, and what lineage names as the rule that says so: ``ConceptMap/ID|VERSION``."""

    concept: Concept
    rule: str


@dataclass(frozen=True)
class LocalCodes:
    """By (system, code). ``version`` changes with every change of the maps."""

    version: str = ""
    codes: Mapping[tuple[str, str], LocalCode] = field(default_factory=dict)

    def find(self, system: str, code: str) -> LocalCode | None:
        return self.codes.get((system, code))

    def concept(self, system: str, code: str) -> Concept | None:
        found = self.codes.get((system, code))
        return found.concept if found is not None else None


NO_LOCAL_CODES = LocalCodes()


def local_codes(maps: Iterable[Mapping[str, Any]], version: str) -> LocalCodes:
    """From ConceptMap resources that are active: of each code the first target that may stand for it."""
    found: dict[tuple[str, str], LocalCode] = {}
    for resource in maps:
        if resource.get("status") != "active":
            continue
        rule = f"ConceptMap/{resource.get('id', '')}|{resource.get('version') or resource.get('meta', {}).get('versionId', '')}"
        for group in resource.get("group", ()):
            for element in group.get("element", ()):
                target = next((one for one in element.get("target", ()) if one.get("equivalence") in STANDS_FOR and one.get("code")), None)
                if target is not None and element.get("code"):
                    concept = Concept(target["code"], target.get("display", ""), group.get("target", ""))
                    found.setdefault((group.get("source", ""), element["code"]), LocalCode(concept, rule))
    return LocalCodes(version, found)
