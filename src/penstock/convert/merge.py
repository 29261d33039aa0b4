"""What a stored resource becomes when a message says something new about it: a pure function, by the table `merge.csv`.

Absence keeps, HL7 null deletes, and for each element the table says how old and new meet. Merging the same again gives an equal resource.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from penstock.convert.rows import home
from penstock.convert.run import Resource
from penstock.formats.fhir.definitions import Element, r4

Name = tuple[Hashable, ...]
EMPTY: tuple[Any, ...] = (None, [], {})


class Policy(NamedTuple):
    """A line of the table: how one element is merged; `key` names the parts that make two entries the same, or the order of a status.

    `ends` are the elements that cannot stand beside this one: a stored one of them goes when this one is produced.
    """

    name: str
    key: tuple[str, ...]
    ends: tuple[str, ...]


class Way(NamedTuple):
    """A policy, compiled for one property: the function, its key, what a new value ends, and the `_sibling` of a primitive."""

    merge: Callable[[Any, Any, tuple[str, ...]], Any]
    key: tuple[str, ...]
    ended: tuple[str, ...]
    sibling: str


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
    element = elements(type).get(name)
    table = policies()
    stem = element.choice if element and element.choice else name
    found = table.get(f"{type}.{stem}") or table.get(f"*.{stem}") or table["*"]
    ended = (*rivals(type, name), *(other for one in found.ends for other in properties(type, one)))
    key = (element.type,) if element and found.name == "deep" else found.key
    return Way(MERGES[found.name], key, ended, f"_{name}" if element and element.primitive else "")


@cache
def rivals(type: str, name: str) -> tuple[str, ...]:
    """The properties that may not stand beside this one: the other variants of its choice, and what extends them."""
    element = elements(type).get(name)
    if element is None or element.choice is None:
        return ()
    own = name.removeprefix("_")
    return tuple(one for one in properties(type, element.choice) if one not in (own, f"_{own}"))


def properties(type: str, stem: str) -> Iterator[str]:
    """Everything that JSON may hold for an element or a choice."""
    return (name for name, one in elements(type).items() if stem in (name, one.choice))


def merge(current: Resource | None, produced: Resource, nulls: Iterable[str] = ()) -> Resource:
    """The resource to store; it shares parts with both. `nulls` are the element paths of `produced` that an HL7 `""` deletes.

    Elements keep the order of the stored resource; new ones stand behind.
    """
    stored = current or {}
    if nulls:
        stored = json_copy(stored)
        for path in nulls:
            delete(stored, path.split("."))
    merged = {**stored}
    type = produced["resourceType"]
    for name, new in produced.items():
        old = stored.get(name)
        how = way(type, name)
        if how.merge is known and says_nothing(new) and any(other in stored for other in how.ended):
            continue
        for other in how.ended:
            if other not in produced:
                merged.pop(other, None)
        merged[name] = value = how.merge(old, new, how.key)
        if how.sibling in stored and how.sibling not in produced and value != old:
            merged.pop(how.sibling, None)
    return {name: value for name, value in merged.items() if value or value not in EMPTY}


def json_copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: json_copy(one) for name, one in value.items()}
    return [json_copy(one) for one in value] if isinstance(value, list) else value


def delete(node: Any, names: list[str]) -> None:
    """Remove an element; `telecom[use=home]` removes the entries of a list of which that is true."""
    name, _, test = names[0].rstrip("]").partition("[")
    if not isinstance(node, dict) or name not in node:
        return
    if len(names) > 1:
        delete(node[name], names[1:])
    elif test:
        key, _, value = test.partition("=")
        node[name] = [one for one in node[name] if one.get(key) != value]
    else:
        del node[name]
        node.pop(f"_{name}", None)


def replace(old: Any, new: Any, key: tuple[str, ...]) -> Any:
    return old if new is None else new


def keep(old: Any, new: Any, key: tuple[str, ...]) -> Any:
    return new if old is None else old


def deep(old: Any, new: Any, key: tuple[str, ...]) -> Any:
    """Part by part; the key is the type of the element. A new variant of a choice ends the others here too."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return replace(old, new, key)
    ended = {other for name in new for other in rivals(key[0], name)}
    return {**{name: part for name, part in old.items() if name not in ended}, **new}


def known(old: Any, new: Any, key: tuple[str, ...]) -> Any:
    """`unknown` never replaces something known."""
    return old if old is not None and says_nothing(new) else replace(old, new, key)


def says_nothing(value: Any) -> bool:
    """What stands for something that R4 requires and the message did not say (`decisions/defaults.csv`)."""
    if isinstance(value, list):
        return all(map(says_nothing, value))
    return value in ("unknown", {"text": "unknown"}, {"display": "unknown"}) or (isinstance(value, dict) and value.get("code") == "UNK")


def forward(old: Any, new: Any, key: tuple[str, ...]) -> Any:
    """A status only moves forward; to go back, the message must delete it first (a cancelled discharge does)."""
    if old in key and new in key and key.index(old) > key.index(new):
        return old
    return known(old, new, key)


def union(old: Any, new: Any, key: tuple[str, ...]) -> Any:
    """Entries with equal keys are one group: the new ones of a group take the place of its old ones; other groups are collected."""
    if not isinstance(new, list):
        return replace(old, new, key)
    if old == new or (not old and len(new) == 1):
        return new
    groups: dict[Name, list[Any]] = {}
    for one in new:
        group = groups.setdefault(spelled(one, key), [])
        if one not in group:
            group.append(one)
    out: list[Any] = []
    done: set[Name] = set()
    for one in old or ():
        name = spelled(one, key)
        if name not in groups:
            out.append(one)
        elif name not in done:
            done.add(name)
            out.extend(groups[name])
    return [*out, *(one for name, group in groups.items() if name not in done for one in group)]


def location(old: Any, new: Any, key: tuple[str, ...]) -> Any:
    """The history of places: a new active place completes the former active one, and ends it when the new one begins."""
    if not isinstance(new, list):
        return replace(old, new, key)
    if old == new or (not old and len(new) == 1):
        return new
    out: list[Resource] = [dict(one) for one in old or ()]
    told = {spelled(one, key): one for one in sorted(new, key=lambda one: one.get("status") == "active")}
    active = next((one for one in told.values() if one.get("status") == "active"), None)
    if active is not None:  # the patient is in one place: another active one of the same message was left for it
        told = {name: completed(one, active, key) for name, one in told.items()}
    for name, one in told.items():
        last = next((place for place in reversed(range(len(out))) if spelled(out[place], key) == name), None)
        if last is None or not reopens(out[last], one):
            out.append(one)
        else:
            period = deep(out[last].get("period"), one.get("period"), ("Period",))
            out[last] = {**out[last], **one, **({"period": period} if period else {})}
    return out if active is None else [completed(one, active, key) for one in out]


def reopens(former: Resource, one: Resource) -> bool:
    """A place that the patient left and comes back to is another entry; the same arrival again is not."""
    if former.get("status") == "completed" and one.get("status") == "active":
        return bool(former.get("period", {}).get("start") == one.get("period", {}).get("start"))
    return True


def completed(one: Resource, active: Resource, key: tuple[str, ...]) -> Resource:
    if one.get("status") != "active" or spelled(one, key) == spelled(active, key):
        return one
    end = active.get("period", {}).get("start")
    done = {**one, "status": "completed"}
    if end:
        done["period"] = {**one.get("period", {}), "end": one.get("period", {}).get("end", end)}
    return done


def spelled(entry: Any, key: tuple[str, ...]) -> Name:
    """What makes an entry the same as another: the parts that the key names; those that are not text as their JSON."""
    parts = [part(entry, name) for name in key]
    return tuple([one if one is None or isinstance(one, str) else ("json", json.dumps(one, sort_keys=True, default=str)) for one in parts])


def part(entry: Any, path: str) -> Any:
    for name in path.split("."):
        entry = entry.get(name) if isinstance(entry, dict) else None
    return entry


MERGES: dict[str, Callable[[Any, Any, tuple[str, ...]], Any]] = {
    "replace": replace, "keep": keep, "deep": deep, "known": known, "forward": forward, "union": union, "location": location,
}  # fmt: skip
