"""What a stored resource becomes when a message says something new about it: a pure function, by the table `merge.csv`.

Absence keeps, HL7 null deletes, and for each element the table says how old and new meet. Merging the same again gives an equal resource.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, NamedTuple

from penstock.convert.rows import home
from penstock.convert.run import Resource


class Policy(NamedTuple):
    """How one element is merged; `key` names the parts that make two entries the same, or the order of a status."""

    name: str
    key: tuple[str, ...]


@cache
def policies() -> dict[str, Policy]:
    text = home().joinpath("merge.csv").read_text(encoding="utf-8")
    return {row["path"]: Policy(row["policy"], tuple(row["key"].split())) for row in csv.DictReader(text.splitlines())}


def policy(type: str, name: str) -> Policy:
    table = policies()
    return table.get(f"{type}.{name}") or table.get(f"*.{name}") or table["*"]


def merge(current: Resource | None, produced: Resource, nulls: Iterable[str] = ()) -> Resource:
    """The resource to store. `nulls` are the element paths of `produced` that an HL7 `""` deletes."""
    kept = json_copy(current or {})
    for path in nulls:
        delete(kept, path.split("."))
    type = produced["resourceType"]
    merged = {
        name: MERGES[policy(type, name).name](kept.get(name), produced.get(name), policy(type, name).key) for name in {**kept, **produced}
    }
    return {name: value for name, value in in_order(kept, produced, merged).items() if value not in (None, [], {})}


def in_order(kept: Resource, produced: Resource, merged: Resource) -> Resource:
    """Elements in the order of the stored resource, new ones behind."""
    return {name: merged[name] for name in {**kept, **produced}}


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
    return {**old, **new} if isinstance(old, dict) and isinstance(new, dict) else replace(old, new, key)


def known(old: Any, new: Any, key: tuple[str, ...]) -> Any:
    """`unknown` never replaces something known."""
    says_nothing = new == "unknown" or (isinstance(new, dict) and new.get("code") == "UNK")
    return old if old is not None and says_nothing else replace(old, new, key)


def forward(old: Any, new: Any, key: tuple[str, ...]) -> Any:
    """A status only moves forward; to go back, the message must delete it first (a cancelled discharge does)."""
    if old in key and new in key and key.index(old) > key.index(new):
        return old
    return known(old, new, key)


def union(old: Any, new: Any, key: tuple[str, ...]) -> Any:
    """Entries with equal keys are one group: the new ones of a group take the place of its old ones; other groups are collected."""
    if not isinstance(new, list):
        return replace(old, new, key)
    groups: dict[str, list[Any]] = {}
    for one in new:
        group = groups.setdefault(spelled(one, key), [])
        if one not in group:
            group.append(one)
    out: list[Any] = []
    done: set[str] = set()
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
    out: list[Resource] = [dict(one) for one in old or ()]
    told = {spelled(one, key): one for one in sorted(new, key=lambda one: one.get("status") == "active")}
    for name, one in told.items():
        last = next((place for place in reversed(range(len(out))) if spelled(out[place], key) == name), None)
        if last is None or not reopens(out[last], one):
            out.append(one)
        else:
            period = deep(out[last].get("period"), one.get("period"), ())
            out[last] = {**out[last], **one, **({"period": period} if period else {})}
    active = next((one for one in told.values() if one.get("status") == "active"), None)
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


def spelled(entry: Any, key: tuple[str, ...]) -> str:
    """What makes an entry the same as another: the parts that the key names."""
    return json.dumps([part(entry, name.split(".")) for name in key], sort_keys=True, default=str)


def part(entry: Any, names: list[str]) -> Any:
    for name in names:
        entry = entry.get(name) if isinstance(entry, dict) else None
    return entry


MERGES: dict[str, Callable[[Any, Any, tuple[str, ...]], Any]] = {
    "replace": replace, "keep": keep, "deep": deep, "known": known, "forward": forward, "union": union, "location": location,
}  # fmt: skip
