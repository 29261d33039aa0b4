"""How each element is merged: the table `merge.csv`, and which elements are one register because they cannot stand beside each other."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

from penstock.convert.rows import home
from penstock.formats.fhir.definitions import Element, r4

#: ``replace``: the newest statement takes the place of older ones. ``known``: so, unless it says nothing. ``keep``: the first one stays.
#: ``deep``: part by part. ``union``: entries with equal keys are one register, and others are collected. ``stay``: by the events of a stay.
POLICIES = ("replace", "known", "keep", "deep", "union", "stay")


class Policy(NamedTuple):
    """A line of the table; `key` names the parts that make two entries the same, `ends` the elements that cannot stand beside this one."""

    name: str
    key: tuple[str, ...]
    ends: tuple[str, ...]


class Way(NamedTuple):
    """A policy, compiled for one property: its register, and the properties that are this register together."""

    policy: str
    key: tuple[str, ...]
    register: str
    members: tuple[str, ...]


@cache
def policies() -> dict[str, Policy]:
    text = home().joinpath("merge.csv").read_text(encoding="utf-8")
    lines = csv.DictReader(text.splitlines())
    return {line["path"]: Policy(line["policy"], tuple(line["key"].split()), tuple(line["ends"].split())) for line in lines}


@cache
def elements(type: str) -> Mapping[str, Element]:
    found = r4().type(type)
    return found.elements if found is not None else {}


@cache
def way(type: str, name: str) -> Way:
    """How property `name` of a resource is merged. A choice has one line for all its variants, under its stem."""
    element = elements(type).get(name.removeprefix("_"))
    stem = element.choice if element and element.choice else name.removeprefix("_")
    table = policies()
    found = table.get(f"{type}.{stem}") or table.get(f"*.{stem}") or table["*"]
    stems = sorted({stem, *found.ends})
    members = tuple(dict.fromkeys(one for each in stems for one in properties(type, each))) or (name,)
    key = (element.type,) if element and found.name == "deep" else found.key
    return Way(found.name, key, stems[0], members)


@cache
def part(type: str, name: str) -> Way:
    """The same for a part of an element that is merged part by part: variants of a choice end each other, and nothing else."""
    return Way("replace", (), stem_of(type, name), tuple(properties(type, stem_of(type, name))) or (name,))


def stem_of(type: str, name: str) -> str:
    element = elements(type).get(name.removeprefix("_"))
    return element.choice if element and element.choice else name.removeprefix("_")


@cache
def rivals(type: str, name: str) -> tuple[str, ...]:
    """The properties that may not stand beside this one: the other variants of its choice, and what extends them."""
    element = elements(type).get(name)
    if element is None or element.choice is None:
        return ()
    own = name.removeprefix("_")
    return tuple(one for one in properties(type, element.choice) if one not in (own, f"_{own}"))


def properties(type: str, stem: str) -> Iterator[str]:
    """Everything that JSON may hold for an element or a choice, with what extends it."""
    return (name for name, one in elements(type).items() if stem in (name.removeprefix("_"), one.choice))
