"""What R4 allows only together with something, or never beside something: `decisions/together.csv`.

A field can say half of such a thing: a period without its unit, a route without a dose. The half is taken out again, with the reason,
and its source is then in the remainder.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from penstock.convert.rows import table
from penstock.convert.run import Instance, Resource, Run


class Bond(NamedTuple):
    """Element `name` of what stands at `way` needs one of `needs` beside it, none of `never`, no smaller value than `least` has, and is
    none of `wrong`."""

    way: tuple[str, ...]
    name: str
    needs: tuple[str, ...]
    never: tuple[str, ...]
    least: str
    wrong: tuple[str, ...]
    reason: str

    def holds(self, node: Resource) -> bool:
        if self.never and any(node.get(name) for name in self.never):
            return False
        least = node.get(self.least, {}).get("value")
        if least is not None and "value" in node[self.name] and node[self.name]["value"] < least:
            return False
        if self.wrong and node[self.name] in self.wrong:
            return False
        return not self.needs or any(node.get(name) is not None for name in self.needs)


def read_bonds() -> dict[str, list[Bond]]:
    found: dict[str, list[Bond]] = {}
    for row in table("decisions", "together"):
        type, *way, name = row["path"].split(".")
        needs, never = tuple(row["needs"].split()), tuple(row["never"].split())
        found.setdefault(type, []).append(Bond(tuple(way), name, needs, never, row["least"], tuple(row["wrong"].split()), row["reason"]))
    return found


BONDS = read_bonds()


def settle(run: Run, instance: Instance) -> None:
    """Take out of a resource what cannot stand there as it is."""
    for bond in BONDS.get(instance.type, ()):
        for node, at in places(instance.body, "", bond.way):
            if node.get(bond.name) is not None and not bond.holds(node):
                del node[bond.name]
                forget(run, instance.number, at + bond.name, bond.reason)


def places(node: Any, at: str, way: tuple[str, ...]) -> Iterator[tuple[Resource, str]]:
    """Every object that a path of element names leads to, with its place."""
    if not isinstance(node, dict):
        return
    if not way:
        yield node, at
        return
    child = node.get(way[0])
    if isinstance(child, list):
        for number, one in enumerate(child):
            yield from places(one, f"{at}{way[0]}[{number}].", way[1:])
    elif child is not None:
        yield from places(child, f"{at}{way[0]}.", way[1:])


def forget(run: Run, number: int, path: str, reason: str) -> None:
    """The way back of an element that is not there any more becomes the reason why."""
    kept = []
    for entry in run.lineage:
        if entry[0] == number and (entry[1] == path or entry[1].startswith((f"{path}.", f"{path}["))):
            run.note(entry[3], reason)
            run.forgotten.append(entry[3])
        else:
            kept.append(entry)
    run.lineage[:] = kept
    run.untidy = True
