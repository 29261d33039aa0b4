"""A converted message as statements: one for each of its resources."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from penstock.convert.state.fold import Statement
from penstock.convert.state.marks import Mark
from penstock.convert.state.moment import Moment

if TYPE_CHECKING:
    from penstock.convert.engine import Converted


def statements(converted: Converted, moment: Moment) -> list[Statement]:
    """What a message says of each resource. What only a default said (``decisions/defaults.csv``) is weak."""
    nulls: dict[int, list[str]] = defaultdict(list)
    for index, path in converted.nulls:
        nulls[index].append(path)
    weak: dict[int, set[str]] = defaultdict(set)
    for index, _, rule, _ in converted.lineage:
        if rule.startswith("default:") and rule.count(".") == 1:
            weak[index].add(rule.rpartition(".")[2])
    found = [
        Statement(
            resource,
            moment.mark,
            nulls.get(index, ()),
            weak=frozenset(weak[index]) if index in weak else NONE,
            trigger=moment.trigger,
            occurred=moment.occurred,
            cancelled=moment.cancelled,
        )
        for index, resource in enumerate(converted.resources)
    ]
    return shifted(found, converted, moment.mark) if converted.shifts or converted.gone else found


def shifted(found: list[Statement], converted: Converted, mark: Mark) -> list[Statement]:
    """With what merges and changes of numbers say: the entries that are gone, and where a visit or an account ends.

    What is gone of a record that the message does not describe is a statement of its own, behind the others.
    """
    places = {f"{one.resource['resourceType']}/{one.resource['id']}": place for place, one in enumerate(found)}
    out = list(found)
    for gone in converted.gone:
        place = places.get(gone.reference)
        if place is None:
            type, _, id = gone.reference.partition("/")
            out.append(Statement({"resourceType": type, "id": id}, mark, gone={gone.name: gone.entries}))
        else:
            out[place] = out[place]._replace(gone={**out[place].gone, gone.name: (*out[place].gone.get(gone.name, ()), *gone.entries)})
    for shift in converted.shifts:
        if shift.verb == "into" and not shift.left.startswith("Patient/") and shift.left in places:
            out[places[shift.left]] = out[places[shift.left]]._replace(into=shift.right)
    return out


NONE: frozenset[str] = frozenset()
