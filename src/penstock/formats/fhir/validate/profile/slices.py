"""Which slice an item belongs to (http://hl7.org/fhir/R4/profiling.html#discriminator).

A discriminator is a path and a kind. What the slice says of the element at that path (a fixed value, a pattern, a binding, whether it is
there, its types, its profiles) becomes a test of the items at that path; an item belongs when all discriminators say so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.validate.items import Item, members
from penstock.formats.fhir.validate.profile.elements import CORE, Find, constraints
from penstock.formats.fhir.validate.profile.raw import Raw, nest
from penstock.formats.fhir.validate.profile.tree import Belongs
from penstock.formats.fhir.validate.profile.values import fits, same

_STEP = re.compile(r"\$this|resolve\(\)|ofType\(\s*(\w+)\s*\)|extension\(\s*'([^']*)'\s*\)|(\w+)(?:\[x\])?")

#: Kinds that ask about the target of a reference itself, and not about something in it.
_OF_TARGETS = ("type", "profile")

Criterion = Callable[[Item, Any], bool]
Walk = Callable[[Item, Any], list[Item]]


@dataclass(frozen=True, slots=True)
class Slicer:
    """Compiles the discriminators of a profile; ``find`` gives the profiles that its elements have."""

    find: Find

    def belongs(self, slice: Raw, discriminators: list[tuple[str, str]]) -> Belongs:
        tests = [self._discriminator(slice, kind, path) for kind, path in discriminators]
        if len(tests) == 1:
            return tests[0]
        return lambda item, run: all(test(item, run) for test in tests)

    def _discriminator(self, slice: Raw, kind: str, path: str) -> Criterion:
        steps = list(_steps(path))
        if kind == "value" and path == "url" and slice.profiles():
            return _by_url(slice.profiles())
        if steps and steps[-1][0] == "resolve" and kind in _OF_TARGETS:
            urls = [url for place in self._places(slice, steps[:-1]) for url in place.target_profiles()]
            types = frozenset(type for url in urls if (type := type_of(url, self.find)))
            return _refers(_walk(steps[:-1]), types) if kind == "type" else _conforming(_walk(steps), urls)
        walk, places = _walk(steps), self._places(slice, steps)
        if kind == "exists":
            return _exists(walk, places)
        if kind == "type":
            return _of_type(walk, _types(places))
        if kind == "profile":
            return _conforming(walk, [url for place in places for url in place.profiles()])
        criteria = [found for place in places if (found := self._criterion(place)) is not None]
        if not criteria:
            return lambda item, run: True
        return lambda item, run: any(criterion(one, run) for one in walk(item, run) for criterion in criteria)

    def _places(self, slice: Raw, steps: list[tuple[str, str]]) -> list[Raw]:
        """What is said at the end of a path, by the slice or by the profiles that its elements have."""
        places = [slice]
        for kind, name in steps:
            places = [found for place in places for found in self._step(place, kind, name)]
        return [*places, *(slice for place in places if place.path.endswith("[x]") for slice in place.slices.values())]

    def _step(self, place: Raw, kind: str, name: str) -> list[Raw]:
        if kind in ("this", "ofType"):
            return [place]
        if kind == "resolve":
            return [root for url in place.target_profiles() if (root := self._root(url))] or [place]
        if kind == "extension":
            return [each for each in _named(place, "extension") if any(url.partition("|")[0] == name for url in each.profiles())]
        if name in place.children:
            return [place.children[name], *_needed(place.children[name])]
        return [root.children[name] for url in place.profiles() if (root := self._root(url)) and name in root.children]

    def _root(self, url: str) -> Raw | None:
        definition = self.find(url)
        try:
            return nest(constraints(definition, self.find)) if definition else None
        except Problem:
            return None

    def _criterion(self, place: Raw) -> Criterion | None:
        """What an element says of values at or below it; None when it says nothing."""
        tests = list(self._own(place))
        for child in place.children.values():
            tests += [_some(child.stem, inner) for each in (child, *_needed(child)) if (inner := self._criterion(each)) is not None]
        if not tests:
            roots = [root for url in place.profiles() if (root := self._root(url))]
            tests = [inner for root in roots if (inner := self._criterion(root)) is not None]
        if not tests:
            return None
        return lambda item, run: all(test(item, run) for test in tests)

    def _own(self, place: Raw) -> Iterator[Criterion]:
        if fixed := place.given("fixed"):
            yield _value(same, fixed[1])
        if pattern := place.given("pattern"):
            yield _value(fits, pattern[1])
        binding = place.element.get("binding", {})
        if binding.get("strength") == "required" and binding.get("valueSet"):
            yield _bound(str(binding["valueSet"]))


def type_of(url: str, find: Find) -> str | None:
    """The type of R4 that a profile constrains, or that a canonical URL names."""
    bare = url.partition("|")[0].removeprefix(CORE)
    if r4().type(bare) is not None:
        return bare
    definition = find(url)
    return str(definition["type"]) if definition and "type" in definition else None


def _types(places: list[Raw]) -> frozenset[str]:
    """The types that a place may have: stated, or told by the name of a slice (``valueQuantity``), or of a root what it constrains."""
    stated = frozenset(str(each["code"]) for place in places for each in place.types if "." in place.path)
    named = frozenset(element.type for place in places if place.slice and (element := r4().type_at(_short(place))) is not None)
    return stated or named or frozenset(place.path for place in places if "." not in place.path)


def _short(place: Raw) -> str:
    """``Observation.valueQuantity`` for the slice ``valueQuantity`` of ``Observation.value[x]``."""
    return f"{place.path.rpartition('.')[0]}.{place.slice}"


def _needed(place: Raw) -> list[Raw]:
    """The slices of an element that must be there, or that say what one of its types is like."""
    return [slice for slice in place.slices.values() if slice.element.get("min", 0) or slice.path.endswith("[x]")]


def _named(place: Raw, stem: str) -> list[Raw]:
    child = place.children.get(stem)
    return [child, *child.slices.values()] if child else []


def _steps(path: str) -> Iterator[tuple[str, str]]:
    """The steps of a discriminator's path, which is a small part of FHIRPath (profiling.html#discriminator)."""
    place = 0
    while place < len(path):
        match = _STEP.match(path, place)
        if match is None or path[match.end() : match.end() + 1] not in ("", "."):
            raise Problem("not-supported", "a discriminator of a profile is no path that FHIR allows there")
        place = match.end() + 1
        type, url, name = match.groups()
        if type:
            yield "ofType", type
        elif url is not None:
            yield "extension", url
        elif name:
            yield "member", name
        elif match[0] == "resolve()":
            yield "resolve", ""


def _walk(steps: list[tuple[str, str]]) -> Walk:
    """The items at the end of a path."""
    moves = [_MOVES[kind](name) for kind, name in steps]

    def walk(item: Item, run: Any) -> list[Item]:
        found = [item]
        for move in moves:
            found = [one for each in found for one in move(each, run)]
        return found

    return walk


def _by_extension(url: str) -> Walk:
    return lambda item, run: [each for each in members(item, "extension") if each.value.get("url") == url]


_MOVES: dict[str, Callable[[str], Walk]] = {
    "member": lambda name: lambda item, run: members(item, name),
    "ofType": lambda name: lambda item, run: [item] if item.type == name else [],
    "extension": _by_extension,
    "resolve": lambda name: lambda item, run: run.resolved(item),
}


def _by_url(profiles: list[str]) -> Criterion:
    urls = frozenset(url.partition("|")[0] for url in profiles)
    return lambda item, run: item.value.__class__ is dict and item.value.get("url") in urls


def _exists(walk: Walk, places: list[Raw]) -> Criterion:
    wanted = any(place.element.get("min", 0) for place in places)
    refused = any(place.element.get("max") == "0" for place in places)
    if not wanted and not refused:
        return lambda item, run: True
    return lambda item, run: bool(walk(item, run)) is wanted


def _of_type(walk: Walk, types: frozenset[str]) -> Criterion:
    return lambda item, run: any(is_one(one.type, types) for one in walk(item, run))


def _refers(walk: Walk, types: frozenset[str]) -> Criterion:
    """By the resource that a reference leads to; one that cannot be followed tells the type of its target by its text."""

    def test(item: Item, run: Any) -> bool:
        for reference in walk(item, run):
            found = run.resolved(reference)
            told = [one.type for one in found] or [run.target_type(reference)]
            if any(is_one(type, types) for type in told):
                return True
        return False

    return test


def is_one(type: str, types: frozenset[str]) -> bool:
    """Whether a type is one of ``types``, or specialises one."""
    return type in types or (bool(types) and not types.isdisjoint(r4().ancestors(type)))


def _conforming(walk: Walk, profiles: list[str]) -> Criterion:
    if not profiles:
        return lambda item, run: True
    return lambda item, run: any(run.conforms(one, url) for one in walk(item, run) for url in profiles)


def _value(test: Callable[[Any, Any], bool], wanted: Any) -> Criterion:
    return lambda item, run: item.value is not None and test(wanted, item.value)


def _bound(value_set: str) -> Criterion:
    return lambda item, run: run.coded(item, value_set) is not False


def _some(stem: str, criterion: Criterion) -> Criterion:
    return lambda item, run: any(criterion(one, run) for one in members(item, stem))
