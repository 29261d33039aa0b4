"""Marks: when, and by which message, each element of a resource was last said. They stand beside the resource; clients never see them.

Registers are what a mark is kept for: an element (``gender``), a group of elements that end each other (``deceased``), a part of an element
(``period.end``), or an entry of a list (``identifier#1f0c2a77``, by a hash of its key). What a register without a mark of its own has is
the mark of its list, else the base: the mark of whatever else stands in the resource.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec


class Mark(NamedTuple):
    """One message's place in the order of all: the greater one wins.

    ``level`` is above the time: -1 for what stands only until somebody says something, 0 for what is preliminary, 1 for the rest, 2 for
    what only another event of its kind can change. ``when`` counts microseconds since 1970. ``rank`` and ``tie`` order messages of one
    moment: by their trigger event, then by their control id.
    """

    level: int
    when: int
    rank: int
    tie: str

    def at(self, level: int) -> Mark:
        return Mark(level, *self[1:])


#: of what nobody has said
UNSAID = Mark(-9, 0, 0, "")
#: of what stands in a resource and no message has said
BEFORE = Mark(0, 0, 0, "")


class Event(NamedTuple):
    """What one message said of the course of a stay: see ``stay``. With a ``slot`` only the newest of that slot is kept."""

    mark: Mark
    occurred: int
    trigger: str = ""
    slot: str = ""
    status: str | None = None
    places: list[Any] | None = None
    #: of a cancelling event: when what it cancels occurred, where that is said
    cancelled: int = 0


@dataclass(slots=True)
class Marks:
    """The marks of one resource. ``first`` says for the entries of a list when they were first said, and at which place there.

    A list of which it says nothing is as ``born``, the first message, said it.
    """

    base: Mark = BEFORE
    born: Mark = BEFORE
    own: dict[str, Mark] = field(default_factory=dict)
    first: dict[str, tuple[Mark, int]] = field(default_factory=dict)
    #: what was deleted: element path, or register of an entry, to when
    floors: dict[str, Mark] = field(default_factory=dict)
    log: tuple[Event, ...] = ()
    #: what stood where ``settle`` put something else: ``active`` of a merged patient
    kept: dict[str, Any] = field(default_factory=dict)
    #: the resource that this one was merged into, or is now called by
    into: tuple[Mark, str] | None = None

    def copy(self) -> Marks:
        return Marks(self.base, self.born, {**self.own}, {**self.first}, {**self.floors}, self.log, {**self.kept}, self.into)


def dump(marks: Marks) -> bytes:
    """Compact JSON: each mark once, and everything else by their numbers."""
    numbers: dict[Mark, int] = {}

    def number(mark: Mark) -> int:
        return numbers.setdefault(mark, len(numbers))

    def grouped(registers: Mapping[str, Mark]) -> dict[str, list[str]]:
        out: dict[str, list[str]] = {}
        for register, mark in registers.items():
            out.setdefault(str(number(mark)), []).append(register)
        return out

    body: dict[str, Any] = {"b": number(marks.base), "n": number(marks.born)}
    body |= {name: grouped(one) for name, one in (("o", marks.own), ("d", marks.floors)) if one}
    if marks.first:
        body["f"] = {register: [number(mark), place] for register, (mark, place) in marks.first.items()}
    if marks.log:
        body["l"] = [[number(event.mark), *event[1:]] for event in marks.log]
    if marks.kept:
        body["k"] = marks.kept
    if marks.into:
        body["i"] = [number(marks.into[0]), marks.into[1]]
    return msgspec.json.encode({"m": list(numbers), **body})


def load(data: bytes) -> Marks:
    """The inverse of ``dump``."""
    body = msgspec.json.decode(data)
    marks = [Mark(*one) for one in body["m"]]

    def spread(name: str) -> dict[str, Mark]:
        return {register: marks[int(number)] for number, registers in body.get(name, {}).items() for register in registers}

    first = {register: (marks[number], place) for register, (number, place) in body.get("f", {}).items()}
    log = tuple(Event(marks[number], *rest) for number, *rest in body.get("l", ()))
    into = (marks[body["i"][0]], body["i"][1]) if "i" in body else None
    return Marks(marks[body["b"]], marks[body["n"]], spread("o"), first, spread("d"), log, body.get("k", {}), into)
