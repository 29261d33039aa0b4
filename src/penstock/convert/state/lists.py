"""Lists: what makes two entries the same, and the history of places."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable
from functools import cache
from typing import Any
from zlib import crc32

Name = tuple[Hashable, ...]
Entry = dict[str, Any]


def spelled(entry: Any, key: tuple[str, ...]) -> Name:
    """What makes an entry the same as another: the parts that the key names; those that are not text as their JSON."""
    parts = [part(entry, path) for path in paths(key)]
    return tuple([one if one is None or isinstance(one, str) else ("json", json.dumps(one, sort_keys=True, default=str)) for one in parts])


@cache
def paths(key: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(path.split(".")) for path in key)


def part(entry: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        entry = entry.get(name) if isinstance(entry, dict) else None
    return entry


def register(list_name: str, name: Name) -> str:
    """The register of an entry: its list, and a hash of its key."""
    return f"{list_name}#{crc32(repr(name).encode()):08x}"


def grouped(entries: Iterable[Any], key: tuple[str, ...]) -> dict[Name, list[Any]]:
    """Entries with equal keys are one group; an entry that is there twice is there once."""
    groups: dict[Name, list[Any]] = {}
    for one in entries:
        group = groups.setdefault(spelled(one, key), [])
        if one not in group:
            group.append(one)
    return groups


def location(old: list[Entry] | None, new: list[Entry] | None, key: tuple[str, ...]) -> list[Entry] | None:
    """The history of places: a new active place completes the former active one, and ends it when the new one begins."""
    if new is None:
        return old
    if old == new or (not old and len(new) == 1):
        return new
    told = {spelled(one, key): one for one in sorted(new, key=lambda one: one.get("status") == "active")}
    here = next((name for name, one in told.items() if one.get("status") == "active"), None)
    begun = told[here].get("period", {}).get("start") if here is not None else None
    out = [(spelled(one, key), one) for one in old or ()]
    for name, each in told.items():
        one = each if here is None or name == here else left(each, begun)
        last = next((place for place in reversed(range(len(out))) if out[place][0] == name), None)
        if last is None or returns(out[last][1], one):
            out.append((name, one))
        else:
            period = {**out[last][1].get("period", {}), **one.get("period", {})}
            out[last] = (name, {**out[last][1], **one, **({"period": period} if period else {})})
    if here is None:
        return [one for _, one in out]
    return [left(one, begun) if name != here and one.get("status") == "active" else one for name, one in out]


def returns(former: Entry, one: Entry) -> bool:
    """A place that the patient left and comes back to is another entry; the same arrival again is not."""
    if former.get("status") == "completed" and one.get("status") == "active":
        return bool(former.get("period", {}).get("start") != one.get("period", {}).get("start"))
    return False


def left(one: Entry, begun: str | None) -> Entry:
    """A place that the patient has left for another one, which began then; a planned or reserved place is not left."""
    if one.get("status") not in ("active", "completed"):
        return one
    period = one.get("period", {})
    done = {**one, "status": "completed"}
    if begun and "end" not in period:
        done["period"] = {**period, "end": begun}
    return done
