"""Records that speak for others: after a merge, what refers to the record that ended refers to the one that survived.

Pure. A reference is ``Type/id``. What a record itself says stays with it, whatever becomes of it: only references follow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from penstock.match.identity import survivor

Resource = dict[str, Any]

#: What is said of the past stays as it was said.
RECORDS = frozenset({"AuditEvent", "Provenance"})


class Survivors:
    """Which record speaks for each one that ended in another, as far as is known."""

    def __init__(self) -> None:
        self._next: dict[str, str] = {}

    def learn(self, reference: str, next_: str | None) -> None:
        """This record ended in the next one; or, with None, it did not."""
        if next_ and next_ != reference:
            self._next[reference] = next_
        else:
            self._next.pop(reference, None)

    def __bool__(self) -> bool:
        return bool(self._next)

    def next(self, reference: str) -> str | None:
        return self._next.get(reference)

    def way(self, reference: str) -> list[str]:
        """The record and those that it ended in, one after the other; a cycle ends before it closes."""
        way = [reference]
        while (next_ := self._next.get(way[-1])) and next_ not in way:
            way.append(next_)
        return way

    def final(self, reference: str) -> str:
        return self.way(reference)[-1]

    def cycle(self, reference: str) -> list[str]:
        """The records of the cycle that this one is in; none where its way has an end."""
        way = self.way(reference)
        return way if self._next.get(way[-1]) == reference else []

    def names(self) -> dict[str, str]:
        """What each record that ended is called by those who refer to it."""
        return {reference: self.final(reference) for reference in self._next}

    def copy(self) -> Survivors:
        """As it is known now."""
        other = Survivors()
        other._next = dict(self._next)
        return other


def next_of(resource: Resource) -> str | None:
    """The reference of the patient that replaced this one (Patient.link)."""
    found = survivor(resource)
    return f"Patient/{found}" if found else None


def redirected(resource: Resource, names: Mapping[str, str]) -> tuple[Resource, list[tuple[str, str]]]:
    """The resource with its references by other names, and (path, former reference) of those.

    Links between patients are about the records themselves, and what was recorded of the past stays as it is.
    """
    if not names or resource["resourceType"] == "Patient" or resource["resourceType"] in RECORDS:
        return resource, []
    found = [(path, reference) for path, reference in references(resource, "") if reference in names]
    out = resource
    for path, _ in found:
        out = replaced(out, path.split("."), names)
    return out, found


def restored(resource: Resource, paths: Sequence[str], of: str, to: str) -> Resource:
    """The resource with the references at these paths led back, where they still are as they were led."""
    for path in paths:
        resource = replaced(resource, path.split("."), {of: to})
    return resource


def references(node: Any, at: str) -> Iterator[tuple[str, str]]:
    """(path, reference) of each literal reference: ``participant.0.individual``."""
    if isinstance(node, dict):
        if isinstance(node.get("reference"), str):
            yield at.removesuffix("."), node["reference"]
        for name, value in node.items():
            if isinstance(value, dict | list):
                yield from references(value, f"{at}{name}.")
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from references(value, f"{at}{place}.")


def replaced(node: Any, path: Sequence[str], names: Mapping[str, str]) -> Any:
    """A copy, as far down as needed, in which the reference at a path has its other name. A path that leads nowhere changes nothing."""
    if not path:
        if not isinstance(node, dict) or node.get("reference") not in names:
            return node
        return {**node, "reference": names[node["reference"]]}
    name, rest = path[0], path[1:]
    if isinstance(node, dict) and name in node:
        return {**node, name: replaced(node[name], rest, names)}
    if isinstance(node, list) and name.isdigit() and int(name) < len(node):
        return [replaced(one, rest, names) if place == int(name) else one for place, one in enumerate(node)]
    return node
