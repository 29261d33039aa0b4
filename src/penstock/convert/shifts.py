"""What a message does to records beyond describing them: merges, changes of numbers, moves and unlinks (HL7 v2.5.1 section 3.6).

A message row says it in its assignments: `Patient[2] into Patient[1]`. Conversion names the two records; whoever holds the stored ones
does it. A record that is only named (by its prior number, say) is not produced; what it was named by is the way back of the change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from penstock.convert.grammar import Label
from penstock.convert.run import Instance, Resource, Run

#: `into`: the first record ends in the second. `becomes`: they are one record, which now has the numbers of the second. `cedes to`: the
#: second has the numbers which it names, the first no longer. `from`: the first left the second. `apart from`: they are not linked.
VERBS = ("into", "becomes", "cedes to", "apart from", "from")
SHIFT = re.compile(rf"\s*(\w+)\[(\w*)\] ({'|'.join(VERBS)}) (\w+)\[(\w*)\]\s*")
#: the verbs whose record named by MRG is only named
NAMED = {"becomes": 0, "cedes to": 0, "from": 1}


class Order(NamedTuple):
    """One such assignment, compiled."""

    rule: str
    verb: str
    left: Label
    right: Label


class Shift(NamedTuple):
    """The same for a message: two references. ``named`` is the record that was only named."""

    verb: str
    left: str
    right: str
    named: Resource | None = None


class Gone(NamedTuple):
    """Entries of a list that a record no longer has."""

    reference: str
    name: str
    entries: tuple[Resource, ...]


def order(text: str, rule: str) -> Order | None:
    """An assignment as an order; None for one that is none."""
    found = SHIFT.fullmatch(text)
    return Order(rule, found[3], (found[1], found[2]), (found[4], found[5])) if found else None


def shifts(run: Run, ordered: Iterable[tuple[Order, Instance | None, Instance | None]]) -> Shifts:
    """What the orders of a message come to, given the records that they name."""
    found = Shifts([], [], set())
    for each, left, right in ordered:
        if left is None or right is None or not left.id or not right.id:
            continue
        named = (left, right)[NAMED[each.verb]] if each.verb in NAMED else None
        found.gone.extend(gone(each.verb, left, right))
        if left.id != right.id:
            body = {"resourceType": named.type, "id": named.id, **named.body} if named is not None else None
            found.shifts.append(Shift(each.verb, left.reference, right.reference, body))
        if named is not None:
            found.named.add(named.number)
            hand_over(run, named, right if named is left else left, each.rule)
    for instance in run.instances:
        if instance.number in found.named:
            instance.reference = ""
    return found


class Shifts(NamedTuple):
    """The shifts of a message, what is gone by them, and the numbers of the instances that were only named."""

    shifts: list[Shift]
    gone: list[Gone]
    named: set[int]


def gone(verb: str, left: Instance, right: Instance) -> list[Gone]:
    if verb in ("becomes", "cedes to"):
        return lost(left, right, verb)
    if verb == "apart from":
        pairs = ((left, right), (right, left))
        return [Gone(one.reference, "link", ({"other": {"reference": other.reference}},)) for one, other in pairs]
    return []


def lost(left: Instance, right: Instance, verb: str) -> list[Gone]:
    """Numbers that change hands: the record keeps those that it is known by now."""
    numbers = right.body.get("identifier", [])
    now = {number(one) for one in numbers}
    prior = tuple(one for one in left.body.get("identifier", []) if number(one) not in now)
    if verb == "becomes" or left.id == right.id:
        return [Gone(right.reference, "identifier", prior)] if prior else []
    return [Gone(left.reference, "identifier", tuple(numbers))]


def number(identifier: Resource) -> tuple[str | None, str | None]:
    return identifier.get("system"), identifier.get("value")


def hand_over(run: Run, named: Instance, to: Instance, rule: str) -> None:
    """The numbers by which a record was named are the way back of what happened to the other one; the rest of it is left over."""
    element = "identifier" if to.type == named.type else "subject"
    read = [source for me, path, _, source in run.lineage if me == named.number and path.startswith("identifier")]
    read += [sid + tail for me, sid, said in run.said if me == named.number for path, _, tail in said.ways if path.startswith("identifier")]
    run.lineage = [entry for entry in run.lineage if entry[0] != named.number]
    run.said = [entry for entry in run.said if entry[0] != named.number]
    if to.body.get(element):
        run.lineage += [(to.number, element, rule, source) for source in dict.fromkeys(read)]
