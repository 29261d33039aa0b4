"""Concept maps, compiled, and ``$translate`` (http://hl7.org/fhir/R4/conceptmap-operation-translate.html)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from penstock.errors import Problem
from penstock.terminology.codesystem import canonical
from penstock.terminology.concept import Json

#: Equivalences that are no translation.
_NONE = frozenset({"unmatched", "disjoint"})
#: What an equivalence is, read from the target to the source.
_REVERSED = {"wider": "narrower", "narrower": "wider", "subsumes": "specializes", "specializes": "subsumes"}
#: How many maps may send us on to another map.
_HOPS = 8


class Match(NamedTuple):
    """A target of a concept. ``row`` is the target as it was written; ``map`` the canonical of the map that says so."""

    equivalence: str
    system: str
    code: str
    display: str | None
    row: Json
    map: str

    @property
    def translates(self) -> bool:
        return self.equivalence not in _NONE


class Translated(NamedTuple):
    """What is to be translated. ``target`` restricts the system, ``dependencies`` are the other values that a map may look at."""

    system: str | None
    code: str
    target: str | None = None
    dependencies: Mapping[str, Any] = {}


@dataclass(frozen=True)
class ConceptMap:
    resource: Json

    @cached_property
    def canonical(self) -> str:
        return canonical(self.resource)

    @cached_property
    def _forward(self) -> dict[tuple[str, str], list[tuple[Json, Json]]]:
        """(source system, code) to the groups and elements that map it."""
        found: dict[tuple[str, str], list[tuple[Json, Json]]] = {}
        for group in self.resource.get("group", ()):
            for element in group.get("element", ()):
                if "code" in element:
                    found.setdefault((group.get("source", ""), element["code"]), []).append((group, element))
        return found

    @cached_property
    def _backward(self) -> dict[tuple[str, str], list[tuple[Json, Json, Json]]]:
        """(target system, code) to the groups, elements and targets that lead to it."""
        found: dict[tuple[str, str], list[tuple[Json, Json, Json]]] = {}
        for group in self.resource.get("group", ()):
            for element in group.get("element", ()):
                for target in element.get("target", ()):
                    if "code" in target and "code" in element:
                        found.setdefault((group.get("target", ""), target["code"]), []).append((group, element, target))
        return found

    def sources(self) -> set[str]:
        """The systems that it maps from."""
        return {group.get("source", "") for group in self.resource.get("group", ())}

    def targets(self) -> set[str]:
        """The systems that it maps to."""
        return {group.get("target", "") for group in self.resource.get("group", ())}

    def translate(self, asked: Translated) -> Iterator[Match]:
        """The targets of a concept."""
        systems = self.sources() if asked.system is None else {asked.system}
        for system in systems:
            for group, element in self._forward.get((system, asked.code), ()):
                for target in element.get("target", ()):
                    if asked.target in (None, group.get("target")) and _depends(target, asked.dependencies):
                        yield self._match(target.get("equivalence", ""), group.get("target", ""), target, target)

    def translate_back(self, asked: Translated) -> Iterator[Match]:
        """The concepts that are mapped to a concept."""
        systems = self.targets() if asked.system is None else {asked.system}
        for system in systems:
            for group, element, target in self._backward.get((system, asked.code), ()):
                if asked.target in (None, group.get("source")):
                    equivalence: str = target.get("equivalence", "")
                    yield self._match(_REVERSED.get(equivalence, equivalence), group.get("source", ""), element, target)

    def unmapped(self, asked: Translated) -> Iterator[tuple[Match | None, str | None]]:
        """What the groups say of a code that they do not map: a match, or the map that is to be asked instead."""
        for group in self.resource.get("group", ()):
            rule = group.get("unmapped")
            if rule is None or asked.system not in (None, group.get("source")) or asked.target not in (None, group.get("target")):
                continue
            mode = rule.get("mode")
            if mode == "other-map":
                yield None, rule.get("url")
            elif mode == "provided":
                yield self._match("equal", group.get("target", ""), {"code": asked.code}, {}), None
            elif mode == "fixed" and "code" in rule:
                yield self._match("inexact", group.get("target", ""), rule, {}), None

    def _match(self, equivalence: str, system: str, concept: Json, row: Json) -> Match:
        return Match(equivalence, system, concept.get("code", ""), concept.get("display"), row, self.canonical)


def translate(maps: list[ConceptMap], asked: Translated, find: Any, *, back: bool) -> list[Match]:
    """All matches that the maps have for a concept, each once. ``find`` gives the map of a URL, or None."""
    found: dict[tuple[str, str, str, str], Match] = {}
    for each in maps:
        for match in each.translate_back(asked) if back else _forward(each, asked, find, _HOPS):
            found.setdefault((match.equivalence, match.system, match.code, match.map), match)
    return list(found.values())


def _forward(one: ConceptMap, asked: Translated, find: Any, hops: int) -> Iterator[Match]:
    direct = list(one.translate(asked))
    yield from direct
    if direct:
        return
    for match, other in one.unmapped(asked):
        if match is not None:
            yield match
        following = find(other) if other else None
        if following is not None:
            if hops == 0:
                raise Problem("too-costly", "concept maps send on to other concept maps too often")
            yield from _forward(following, asked, find, hops - 1)


def _depends(target: Json, given: Mapping[str, Any]) -> bool:
    """Whether every value that a target depends on is given as it must be."""
    return all(str(given.get(each.get("property", ""))) == each.get("value") for each in target.get("dependsOn", ()))
