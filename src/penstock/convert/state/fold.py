"""Fold: put what one message says of a resource into its record, each element by its own mark.

Each register belongs to the message with the greatest mark, a deletion is a floor under the marks, and what several messages say
together (the course of a stay, whether a merged patient is active) is worked out again from what is kept. Therefore the same messages
give the same resource in whatever order, and however often, they come (decision 13).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from penstock.convert.run import Resource
from penstock.convert.state import stay, union
from penstock.convert.state.floors import names, place, pruned
from penstock.convert.state.lists import Name, grouped, register
from penstock.convert.state.marks import UNSAID, Mark, Marks
from penstock.convert.state.ways import Way, part, way

EMPTY: tuple[Any, ...] = (None, [], {})
NEWEST = Mark(1, 2**62, 0, "")
#: policies whose elements do not go by the newest mark
LASTING = frozenset({"keep", "stay"})
#: what no message of ours says of a resource
OURS = frozenset({"resourceType", "id", "meta"})


class Record(NamedTuple):
    """A resource as it is stored, or None, and its marks. ``lost`` are the elements of the last statement that changed nothing, because
    something newer stands there."""

    resource: Resource | None
    marks: Marks
    lost: frozenset[str] = frozenset()


class Statement(NamedTuple):
    """What one message says of one resource.

    ``nulls`` are the element paths that an HL7 ``""`` deletes, ``gone`` the entries of lists that end, ``weak`` the elements that R4
    requires and the message does not say: they stand until somebody does. ``occurred`` and ``cancelled`` are the times of the event and
    of the one that it cancels, ``trigger`` is its code; ``into`` is the record in which this one ends.
    """

    resource: Resource
    mark: Mark
    nulls: Sequence[str] = ()
    gone: Mapping[str, Sequence[Any]] = {}
    weak: frozenset[str] = frozenset()
    trigger: str = ""
    occurred: int = 0
    cancelled: int = 0
    into: str = ""


def fold(record: Record, statement: Statement) -> Record:
    """The record after this statement. It shares parts with both, and changes neither."""
    work = Work(record, statement)
    work.delete()
    for name, value in statement.resource.items():
        if name not in work.settled and name not in ("resourceType", "id"):
            how = way(work.type, name)
            POLICIES[how.policy](work, name, value, how)
    work.settle()
    return work.record()


def merge(current: Resource | None, produced: Resource, nulls: Iterable[str] = ()) -> Resource:
    """The resource without marks: what is said now is newer than all that stands there."""
    out = fold(Record(current, Marks()), Statement(produced, NEWEST, tuple(nulls))).resource
    assert out is not None
    return out


class Work:
    """One fold under way: the resource and the marks that it will have."""

    def __init__(self, record: Record, statement: Statement) -> None:
        self.statement, self.type = statement, str(statement.resource["resourceType"])
        preliminary = statement.resource.get("status") in way(self.type, "status").key
        self.mark = statement.mark.at(0) if preliminary else statement.mark
        self.new = record.resource is None
        self.out: Resource = {**record.resource} if record.resource is not None else beginning(statement.resource)
        self.marks = Marks(self.mark, self.mark, into=record.marks.into) if record.resource is None else record.marks.copy()
        for name, value in self.marks.kept.items():
            self.put(name, value)
        self.marks.kept = {}
        #: the properties of which nothing is left to say
        self.settled = {"active"} if self.type == "Patient" and ended(statement.resource) else set[str]()
        #: the properties of which all is said by this message, and those of which nothing is
        self.won: set[str] = set()
        self.lost: set[str] = set()

    def put(self, name: str, value: Any) -> None:
        if value in EMPTY:
            self.out.pop(name, None)
        else:
            self.out[name] = value

    def mark_of(self, name: str, value: Any, how: Way) -> Mark:
        """How strongly this message says an element: `unknown` says nothing."""
        unknown = how.policy in ("known", "stay") and says_nothing(value)
        if unknown or name.removeprefix("_") in self.statement.weak:
            return self.mark.at(-1)
        return self.mark.at(2) if name == "subject" and "subject" in stay.kind(self.statement.trigger).decides else self.mark

    # -- deletions ----------------------------------------------------------------------------------------------------

    def delete(self) -> None:
        floors = self.marks.floors
        ended = [register(name, found) for name, all in self.statement.gone.items() for found in grouped(all, way(self.type, name).key)]
        for path in (*self.statement.nulls, *ended):
            floors[path] = max(self.mark, floors.get(path, UNSAID))
            name = place(path).name
            for each in (name, f"_{name}"):
                if each in self.out and way(self.type, each).policy != "stay":
                    self.remove(each)

    def remove(self, name: str) -> None:
        """What is under a floor now. It leaves its mark: what was said before it, and otherwise, does not take its place."""
        how, old, own, base = way(self.type, name), self.out[name], self.marks.own, self.marks.base
        new = self.left(name, old, None)
        if how.policy == "deep" and isinstance(old, dict):
            for each in old.keys() - (new or {}).keys():
                own.setdefault(f"{name}.{part(how.key[0], each).register}", base)
        elif how.policy != "union" and new is None:
            own.setdefault(how.register, base)
        self.put(name, new)

    def left(self, name: str, value: Any, mark: Mark | None) -> Any:
        """What the floors leave of a value that was said at that mark; without one, each part has its own."""
        how = way(self.type, name)
        for path, floor in self.marks.floors.items():
            at = place(path)
            if at.name != name and f"_{at.name}" != name:
                continue
            if how.policy == "union" and isinstance(value, list):
                value = self.entries_left(name, grouped(value, how.key), path, floor, mark)
            elif how.policy == "deep" and not at.below and isinstance(value, dict):
                value = {each: one for each, one in value.items() if (mark or self.part_mark(name, how, each)) >= floor}
            elif (mark or self.part_mark(name, how, *at.below)) < floor:
                value = pruned(value, at)
        return value

    def entries_left(self, name: str, groups: Mapping[Name, list[Any]], path: str, floor: Mark, mark: Mark | None) -> list[Any]:
        at, left = place(path), []
        if mark is None:
            union.listed(self, name, groups)  # its place among the others is kept, should an entry be said again
        for found, entries in groups.items():
            if (mark or self.entry_mark(name, found)) < floor:
                left += [one for one in entries if not names(at, one, register(name, found))]
            else:
                left += entries
        return left

    def part_mark(self, name: str, how: Way, *below: str) -> Mark:
        at = f"{name}.{part(how.key[0], below[0]).register}" if how.policy == "deep" and below else how.register
        return self.marks.own.get(at) or self.marks.own.get(how.register, self.marks.base)

    def entry_mark(self, name: str, found: Name) -> Mark:
        own = self.marks.own
        return own.get(register(name, found)) or own.get(name) or self.marks.base

    # -- the policies -------------------------------------------------------------------------------------------------

    def whole(self, name: str, value: Any, how: Way) -> None:
        """The newest statement of a register takes the place of everything in it."""
        new = {each: self.statement.resource[each] for each in how.members if each in self.statement.resource}
        self.settled.update(new)
        mark = max(self.mark_of(each, one, how) for each, one in new.items())
        there = self.marks.own.get(how.register) or (self.marks.base if any(each in self.out for each in how.members) else UNSAID)
        if mark < there:
            self.lost.update(new)
            return
        if self.marks.floors:
            new = {each: self.left(each, one, mark) for each, one in new.items()}
        for each in how.members:
            if each in self.out and each not in new and not self.extends(each, new):
                del self.out[each]
        for each, one in new.items():
            self.put(each, one)
            if each.startswith("_"):
                self.marks.own[each] = mark
        self.win(how.register, mark, new)

    def win(self, at: str, mark: Mark, names: Iterable[str]) -> None:
        if mark == self.mark:
            self.won.update(names)
        if not self.new or mark != self.mark:
            self.marks.own[at] = mark

    def extends(self, name: str, new: Resource) -> bool:
        """An extension that no message made stays with a value that stays."""
        value = name.removeprefix("_")
        return value != name and value in new and self.out.get(value) == new[value] and name not in self.marks.own

    def keep(self, name: str, value: Any, how: Way) -> None:
        """The oldest statement stays."""
        there = self.marks.own.get(how.register, self.marks.born)
        if name not in self.out or self.mark < there:
            self.out[name] = value
            self.marks.own[how.register] = self.mark
        elif self.out[name] != value:
            self.lost.add(name)

    def deep(self, name: str, value: Any, how: Way) -> None:
        """Part by part."""
        if not isinstance(value, dict) or self.new:
            self.whole(name, value, how)
            return
        mark = self.mark_of(name, value, how)
        value = self.left(name, value, mark) if self.marks.floors else value
        old = self.out.get(name)
        out = dict(old) if isinstance(old, dict) else {}
        self.lost.add(name)
        for each, one in (value or {}).items():
            inner = part(how.key[0], each)
            at, there = f"{name}.{inner.register}", any(other in out for other in inner.members)
            if mark < (self.marks.own.get(at) or self.marks.own.get(name) or (self.marks.base if there else UNSAID)):
                continue
            for other in inner.members:
                if other not in value:
                    out.pop(other, None)
            out[each] = one
            self.lost.discard(name)
            self.win(at, mark, (name,) if value.keys() >= out.keys() else ())
        self.put(name, out)

    def union(self, name: str, value: Any, how: Way) -> None:
        """Entries with equal keys are one register; other entries are collected."""
        if not isinstance(value, list) or not isinstance(self.out.get(name), list | None):
            self.whole(name, value, how)
            return
        union.union(self, name, value, how)

    def stay(self, name: str, value: Any, how: Way) -> None:
        """Status and places of a stay follow from all events: see ``settle``."""

    # -- what follows from everything ---------------------------------------------------------------------------------

    def settle(self) -> None:
        if self.type == "Encounter":
            self.settle_stay()
        if self.statement.into:
            self.marks.into = max(self.marks.into or (UNSAID, ""), (self.mark, self.statement.into))
        if self.type in ENDED and (ended(self.out) or self.marks.into):
            name, value = ENDED[self.type]
            self.marks.kept[name] = self.out.get(name)
            self.out[name] = value

    def settle_stay(self) -> None:
        """The course of the stay, with what this message says of it. It is written only where that changes it."""
        resource, log = self.statement.resource, self.marks.log
        if not log:
            log = stay.found(self.out.get("status"), self.out.get("location"))
        status = resource.get("status")
        events = stay.told(self.statement, self.mark_of("status", status, way("Encounter", "status")), status, resource.get("location"))
        log = stay.since(stay.add(log, events), self.marks.floors)
        course = dict(zip(("status", "location"), stay.derive(log), strict=True))
        if any(value != self.out.get(name) for name, value in course.items()):
            before = dict(zip(("status", "location"), stay.derive(self.marks.log), strict=True))
            for name, value in course.items():
                if value != before[name] or name not in self.out:
                    self.put(name, value)
            self.lost.update(name for name in resource.keys() & stay.COURSE if self.out.get(name) == before[name])
        self.marks.log = log

    def record(self) -> Record:
        if not self.new and all(name in self.won or way(self.type, name).policy in LASTING for name in self.out.keys() - OURS):
            self.rebase()
        return Record(self.out, self.marks, frozenset(self.lost))

    def rebase(self) -> None:
        """All that stands there is of this message: one mark says it."""
        there = {how.register for how in (way(self.type, name) for name in self.out) if how.policy not in LASTING}
        own = self.marks.own
        self.marks.base = self.mark
        self.marks.own = {at: mark for at, mark in own.items() if at.startswith("_") or at.partition(".")[0].partition("#")[0] not in there}


#: what says of a record that it ended in another one, whatever else is said of it
ENDED: dict[str, tuple[str, Any]] = {
    "Patient": ("active", False),
    "Encounter": ("status", "entered-in-error"),
    "Account": ("status", "inactive"),
}


def says_nothing(value: Any) -> bool:
    """What stands for something that R4 requires and the message did not say (`decisions/defaults.csv`)."""
    if isinstance(value, list):
        return all(map(says_nothing, value))
    return value in ("unknown", {"text": "unknown"}, {"display": "unknown"}) or (isinstance(value, dict) and value.get("code") == "UNK")


def beginning(resource: Resource) -> Resource:
    return {name: resource[name] for name in ("resourceType", "id") if name in resource}


def ended(resource: Resource) -> bool:
    """Whether a patient was merged into another one (Patient.link)."""
    return any(link.get("type") == "replaced-by" for link in resource.get("link", ()))


POLICIES: dict[str, Callable[[Work, str, Any, Way], None]] = {
    "replace": Work.whole, "known": Work.whole, "keep": Work.keep, "deep": Work.deep, "union": Work.union, "stay": Work.stay,
}  # fmt: skip
