"""One thing that a message describes twice is one resource: what the second description adds to the first."""

from __future__ import annotations

from typing import Any

from penstock.convert.run import Resource
from penstock.convert.state.ways import rivals


def joined(one: Resource, other: Resource) -> tuple[Resource, dict[str, str], list[str]]:
    """Two descriptions of one thing in one message: what the second adds, which entries of its lists became which, and what is lost.

    Another variant of a choice that the first made, and another value of an element that does not repeat, add nothing.
    """
    if one.items() >= other.items():
        return one, {}, []
    out, moved, lost = dict(one), {}, []
    for name, value in other.items():
        if name not in out:
            if any(rival in out for rival in rivals(one["resourceType"], name)):
                lost.append(name)
            else:
                out[name] = value
        elif isinstance(value, list) and isinstance(out[name], list):
            out[name], places = appended(name, out[name], value)
            moved.update({f"{name}[{old}]": f"{name}[{new}]" for old, new in enumerate(places) if old != new})
        elif value != out[name]:
            lost.append(name)
    return out, moved, lost


def appended(name: str, old: list[Any], new: list[Any]) -> tuple[list[Any], list[int]]:
    """Old entries and those new ones that are others, and where each new one is then. One number is one identifier, however described."""
    items, places = list(old), []
    for item in new:
        place = next(
            (n for n, known in enumerate(items) if known == item or (name == "identifier" and number(known) == number(item))), None
        )
        if place is None:
            items.append(item)
        elif items[place] != item:
            items[place] = {**item, **items[place]}
        places.append(len(items) - 1 if place is None else place)
    return items, places


def number(identifier: Resource) -> tuple[Any, Any]:
    return identifier.get("system"), identifier.get("value")
