"""Where definitions are found and compiled: R4's own, those in force at the site, and those that came with the request.

A :class:`Library` compiles each definition once. One holds R4, one over it the definitions in force; a request that brings its own
definitions, pins versions or asks for supplements gets a short-lived one over that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple

from penstock.errors import Problem
from penstock.formats.fhir.canonical import Canonicals, Shelf
from penstock.terminology.codesystem import CodeSystem, canonical
from penstock.terminology.composing import compile_value_set, supplements_of
from penstock.terminology.concept import Json
from penstock.terminology.conceptmap import ConceptMap
from penstock.terminology.details import INVALID_SET, NOT_FOUND, at
from penstock.terminology.grammar import GRAMMARS
from penstock.terminology.implied import implied
from penstock.terminology.lists import COUNTRIES, CURRENCIES, listed
from penstock.terminology.published import published
from penstock.terminology.shape import is_sound
from penstock.terminology.valueset import System, ValueSet

#: Concepts that are kept compiled; when there are more, all are forgotten and compiled again as they are asked for.
_CONCEPTS = 500_000
#: Code systems that say nothing about which codes there are.
_NO_CODES = ("not-present", "supplement")
#: Value sets that are kept compiled.
_SETS = 5_000
#: Concept maps that are kept compiled.
_MAPS = 256
#: How deep value sets may be made of value sets.
_DEPTH = 32


class Pins(NamedTuple):
    """Versions by URL: ``forced`` ones count always, ``usual`` ones where nobody says another, ``checked`` ones must be the one used."""

    forced: Mapping[str, str] = {}
    usual: Mapping[str, str] = {}
    checked: Mapping[str, str] = {}

    def choose(self, url: str, version: str | None) -> str | None:
        chosen = self.forced.get(url) or version or self.usual.get(url) or self.checked.get(url)
        wanted = self.checked.get(url)
        if wanted is not None and chosen != wanted:
            raise Problem("business-rule", "a code system is asked for in another version than the request allows")
        return chosen


class _Head(NamedTuple):
    """What must be known of a concept map to know whether it is asked: both sides of it and the systems that it maps."""

    canonical: str
    source: str | None
    target: str | None
    systems: frozenset[str]


class Library:
    """The definitions of one moment. ``above`` is asked for what the ``sources`` of this one do not have."""

    def __init__(
        self,
        sources: Iterable[Canonicals],
        above: Library | None = None,
        pins: Pins = Pins(),
        supplements: tuple[str, ...] = (),
    ) -> None:
        self._sources: tuple[Canonicals, ...] = tuple(sources)
        self._above = above
        self._pins = pins
        self._supplements = supplements
        self._systems: dict[tuple[str, str | None, tuple[str, ...]], System] = {}
        self._sets: dict[str, ValueSet | Problem] = {}
        self._compiling: list[str] = []
        self._maps: dict[str, ConceptMap | None] = {}
        self._heads: list[_Head] | None = None
        self._concepts = 0

    def derive(self, resources: Iterable[Json], pins: Pins = Pins(), supplements: tuple[str, ...] = ()) -> Library:
        """A library with more definitions, which come first, and with versions and supplements as a request wants them."""
        resources = tuple(resources)
        if not resources and not supplements and pins == Pins():
            return self
        derived = Library((Shelf(resources),), self, pins, supplements)
        for each in supplements:
            derived._supplement(each)
        return derived

    def renewed(self) -> Library:
        """The same definitions with nothing compiled but the code systems."""
        fresh = Library(self._sources, self._above, self._pins, self._supplements)
        fresh._systems, fresh._concepts = self._systems, self._concepts
        return fresh

    def find(self, type: str, url: str) -> Json | None:
        """A definition by ``url`` or ``url|version``, from the first source that has it."""
        found = self._find_here(type, url)
        return self._above.find(type, url) if found is None and self._above is not None else found

    def _find_here(self, type: str, url: str) -> Json | None:
        return next((found for each in self._sources if (found := each.find(type, url)) is not None), None)

    def _sound(self, resource: Json) -> Json:
        """A definition that is written as it must be; R4's own are."""
        if self._above is not None and not is_sound(resource):
            raise Problem("structure", "a definition that is needed for this is not written as FHIR says")
        return resource

    def system(self, url: str, version: str | None = None, supplements: tuple[str, ...] = ()) -> System | None:
        """The code system in the version that is asked for, with what supplements add; None where it is not here."""
        version = self._pins.choose(url, version)
        key = (url, version, tuple(dict.fromkeys((*self._supplements, *supplements))))
        found = self._systems.get(key)
        if found is None:
            found = self._system(*key)
            if found is not None:
                self._keep_system(key, found)
        return found

    def systems(self) -> dict[str, list[str]]:
        """Every code system of which codes are known here, with its versions, in the order of their URLs."""
        found = dict(self._above.systems()) if self._above is not None else {url: [] for url in (*GRAMMARS, COUNTRIES, CURRENCIES)}
        for source in self._sources:
            for each in source.all("CodeSystem"):
                if each.get("content") not in _NO_CODES and is_sound(each):
                    found[each["url"]] = sorted({*found.get(each["url"], ()), each.get("version", "")})
        return dict(sorted(found.items()))

    def concept_map(self, url: str) -> ConceptMap | None:
        """The map of a URL; None where it is not here."""
        if url not in self._maps:
            found = self.find("ConceptMap", url)
            if len(self._maps) >= _MAPS:
                self._maps.clear()
            self._maps[url] = None if found is None else ConceptMap(self._sound(found))
        return self._maps[url]

    def maps_from(self, system: str | None, source: str | None, target: str | None) -> list[ConceptMap]:
        """The maps that map a system, or any; as far as they are given, from one value set and to another."""
        fitting = [
            each.canonical
            for each in self._known_maps()
            if (system is None or system in each.systems) and source in (None, each.source) and target in (None, each.target)
        ]
        return [found for each in fitting if (found := self.concept_map(each)) is not None]

    def _known_maps(self) -> list[_Head]:
        if self._heads is None:
            found = {canonical(each): _head(each) for source in self._sources for each in source.all("ConceptMap") if is_sound(each)}
            if self._above is not None:
                found = {each.canonical: each for each in self._above._known_maps()} | found
            self._heads = list(found.values())
        return self._heads

    def value_set(self, url: str) -> ValueSet:
        """The compiled value set of a URL; Problem where it is not here, is wrong, or is made of itself."""
        url = self._pinned(url)
        if url not in self._sets:
            found = self.find("ValueSet", url) or implied(url)
            if found is None:
                raise Problem("not-found", "there is no value set of this URL here", detail=at(NOT_FOUND))
            if len(self._sets) >= _SETS and not self._compiling:
                self._sets.clear()
            self._sets[url] = self._compile(found)
        kept = self._sets[url]
        if isinstance(kept, Problem):
            raise Problem(kept.code, kept.text, at=kept.at, detail=kept.detail)
        return kept

    def compiled(self, resource: Json) -> ValueSet:
        """A value set that came as a resource, compiled."""
        return self._guarded(resource)

    def _compile(self, resource: Json) -> ValueSet | Problem:
        """What is wrong with a definition is remembered too."""
        try:
            return self._guarded(self._sound(resource))
        except Problem as problem:
            if self._compiling:
                raise
            return problem

    def _guarded(self, resource: Json) -> ValueSet:
        name = resource.get("url") or ""
        if name and name in self._compiling:
            raise Problem("business-rule", "this value set is made of itself", detail=at(INVALID_SET))
        if len(self._compiling) >= _DEPTH:
            raise Problem("too-costly", "value sets are made of value sets too often, one within the other")
        self._compiling.append(name)
        try:
            for each in supplements_of(resource):
                self._supplement(each)
            return compile_value_set(resource, self)
        finally:
            self._compiling.pop()

    def _system(self, url: str, version: str | None, supplements: tuple[str, ...]) -> System | None:
        asked = f"{url}|{version}" if version else url
        added = [each for each in map(self._supplement, supplements) if each.get("supplements", "").partition("|")[0] == url]
        if self._above is not None and not added and self._find_here("CodeSystem", asked) is None:
            return self._above.system(url, version)
        found = self.find("CodeSystem", asked)
        if found is not None and found.get("content") not in _NO_CODES:
            return CodeSystem(self._sound(found), added)
        return GRAMMARS.get(url) or listed(url)

    def _supplement(self, url: str) -> Json:
        found = self.find("CodeSystem", url)
        if found is None or found.get("content") != "supplement":
            raise Problem("not-found", "a supplement that is needed is not known here", detail=at(NOT_FOUND))
        return self._sound(found)

    def _keep_system(self, key: tuple[str, str | None, tuple[str, ...]], system: System) -> None:
        size = len(system) if isinstance(system, CodeSystem) else 1
        if self._concepts + size > _CONCEPTS and not self._compiling:
            self._systems.clear()
            self._sets.clear()
            self._concepts = 0
        self._concepts += size
        self._systems[key] = system

    def _pinned(self, url: str) -> str:
        bare, _, version = url.partition("|")
        chosen = self._pins.choose(bare, version or None)
        return f"{bare}|{chosen}" if chosen else bare


def _head(resource: Json) -> _Head:
    source, target = (resource.get(f"{side}Canonical") or resource.get(f"{side}Uri") for side in ("source", "target"))
    return _Head(canonical(resource), source, target, frozenset(ConceptMap(resource).sources()))


@cache
def of_r4() -> Library:
    """What R4 publishes; it never changes."""
    return Library((published(),))
