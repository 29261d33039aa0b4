"""Merges, unlinks and moves of stored records: what follows for everything that refers to them, in the transaction that does it.

A merge leads the references of other resources from the record that ended to the one that survives, and keeps which; an unlink that
undoes a merge leads them back. Both records keep what was said under their own numbers (HL7 v2.5.1 section 3.6.2; decision 14).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from penstock.auth.access import SYSTEM
from penstock.convert import Converted
from penstock.convert.shifts import Gone, Shift
from penstock.convert.state import Mark, Record, Statement
from penstock.convert.state.lists import register, spelled
from penstock.convert.state.ways import way
from penstock.db import Tx
from penstock.match import Survivors, next_of, redirected, rename, rename_parts, restored
from penstock.records import MOVED, Key, Records, Resource, key_of, key_of_reference, reference_of
from penstock.store import Cause, Change, Store, Written
from penstock.store.batch import Item
from penstock.store.moved import forget_moved, moved_of, referring

#: So many resources are written at once.
_CHUNK = 500


class Led(NamedTuple):
    """A version that refers to another record than before, and the paths of those references."""

    written: Written
    paths: tuple[str, ...]


class Shifting:
    """The shifts of one message, or of an operator. ``before`` is who survived whom before it; ``mark`` when it was said."""

    def __init__(self, tx: Tx, store: Store, records: Records, before: Survivors, mark: Mark, cause: Cause) -> None:
        self._tx, self._store, self._records, self._before = tx, store, records, before
        self._mark, self._cause = mark, cause
        self._led: dict[Key, list[str]] = {}

    async def settle(self, shifts: Iterable[Shift]) -> list[Led]:
        """Do what follows from the shifts, once the records that they name are as they say."""
        for shift in shifts:
            await _VERBS.get(shift.verb, Shifting._nothing)(self, shift)
        return await self._write()

    async def _nothing(self, shift: Shift) -> None:
        """Everything is in the records themselves."""

    async def _into(self, shift: Shift) -> None:
        """A record ended: what refers to it refers to the last survivor. One that did not end (it was unlinked since) leads nowhere."""
        final = self._records.survivors.final(shift.left)
        if final != shift.left:
            keys = await referring(self._tx, self._store, SYSTEM, shift.left)
            await self._lead(keys, {shift.left: final})

    async def _lead(self, keys: Sequence[Key], names: dict[str, str]) -> None:
        await self._records.load(keys)
        for key in keys:
            resource = self._records.get(key).resource
            if resource is not None:
                new, found = redirected(resource, names)
                self._put(key, resource, new, [path for path, _ in found])
                self._records.note(key, found)

    async def _apart(self, shift: Shift) -> None:
        """Whoever ended in the other one, and does so no longer, gets back what was led away from it and from those that ended in it."""
        for prior, other in ((shift.left, shift.right), (shift.right, shift.left)):
            if self._before.next(prior) == other and self._records.survivors.next(prior) is None:
                await self._restore(prior, self._before.final(prior))

    async def _restore(self, prior: str, of: str) -> None:
        members = await self._members(prior)
        for moved in await moved_of(self._tx, SYSTEM, members):
            await self._records.load([moved.key])
            resource = self._records.get(moved.key).resource
            if resource is not None:
                to = self._records.survivors.final(moved.prior)
                self._put(moved.key, resource, restored(resource, moved.paths, of, to), list(moved.paths))
        await forget_moved(self._tx, SYSTEM, [prior])

    async def _members(self, reference: str) -> list[str]:
        """A patient and those that ended in it, directly or through others."""
        members = [reference]
        for each in members:
            await self._records.load([key_of_reference(each)])
            for link in (self._records.get(key_of_reference(each)).resource or {}).get("link", ()):
                other = link.get("other", {}).get("reference", "")
                if link.get("type") == "replaces" and other not in members:
                    members.append(other)
        await self._records.load([key_of_reference(each) for each in members])
        return members

    async def _from(self, shift: Shift) -> None:
        """A visit or an account left a patient: what belongs to it goes along, unless a newer move says otherwise."""
        survivors, seen, waiting = self._records.survivors, {shift.left}, [shift.left]
        while waiting:
            owner = self._records.get(key_of_reference(waiting.pop()))
            new = subject_of(owner.resource or {})
            names = {name: new for name in (shift.right, survivors.final(shift.right)) if new and name != new}
            for key in await referring(self._tx, self._store, SYSTEM, reference_of(key_of(owner.resource or {}))) if names else ():
                await self._records.load([key])
                if self._move(key, names) and key[0] == "Encounter" and reference_of(key) not in seen:
                    seen.add(reference_of(key))
                    waiting.append(reference_of(key))

    def _move(self, key: Key, names: dict[str, str]) -> bool:
        """Say of a resource that it is the new patient's; whether it was the old one's."""
        resource = self._records.get(key).resource
        if resource is None:
            return False
        new, found = redirected(resource, names)
        said = {path.partition(".")[0] for path, _ in found}
        if said:
            statement = Statement(
                {**{name: resource[name] for name in ("resourceType", "id")}, **{name: new[name] for name in said}}, self._mark.at(MOVED)
            )
            self._records.fold(statement)
            self._led.setdefault(key, []).extend(path for path, _ in found)
        return bool(said)

    def _put(self, key: Key, old: Resource, new: Resource, paths: list[str]) -> None:
        if new != old:
            self._records.put(key, new)
            self._led.setdefault(key, []).extend(paths)

    async def _write(self) -> list[Led]:
        led: list[Led] = []
        keys = list(self._led)
        for start in range(0, len(keys), _CHUNK):
            chunk = keys[start : start + _CHUNK]
            changes = [Change("update", *key, resource=self._records.get(key).resource) for key in chunk]
            outcomes = await self._store.write_items(self._tx, [Item(SYSTEM, change, self._cause) for change in changes])
            written = self._records.check(outcomes)
            led += [Led(one, tuple(dict.fromkeys(self._led[key]))) for key, one in zip(chunk, written, strict=True)]
        await self._records.keep()
        return led


_VERBS = {"into": Shifting._into, "apart from": Shifting._apart, "from": Shifting._from}


def subject_of(resource: Resource) -> str:
    """The patient whose a visit or an account is."""
    subject: Any = resource.get("subject")
    first = subject[0] if isinstance(subject, list) and subject else subject
    return str(first.get("reference", "")) if isinstance(first, dict) else ""


def unknot(records: Records, reference: str) -> list[Statement]:
    """What ends a cycle of merges: the record into which the newest one led survives, whatever an older one said of it."""
    cycle = records.survivors.cycle(reference)
    if not cycle or not reference.startswith("Patient/"):
        return []
    newest = max(cycle, key=lambda each: link_mark(records, each))
    mark, survivor = link_mark(records, newest), records.survivors.next(newest) or ""
    after = records.survivors.next(survivor) or ""
    return [unlink(one, other, mark) for one, other in ((survivor, after), (after, survivor))]


def link_mark(records: Records, reference: str) -> Mark:
    """When it was said that a patient ended in the next one."""
    record, next_ = records.get(key_of_reference(reference)), records.survivors.next(reference)
    at = register("link", spelled({"other": {"reference": next_}}, way("Patient", "link").key))
    return record.marks.own.get(at) or record.marks.own.get("link") or record.marks.base


def unlink(one: str, other: str, mark: Mark) -> Statement:
    """That a patient is not linked to another one."""
    type, id = key_of_reference(one)
    return Statement({"resourceType": type, "id": id}, mark, gone={"link": [{"other": {"reference": other}}]})


def link(one: str, other: str, type: str, mark: Mark) -> Statement:
    """That a patient is linked to another one."""
    kind, id = key_of_reference(one)
    return Statement({"resourceType": kind, "id": id, "link": [{"other": {"reference": other}, "type": type}]}, mark)


def renamed(converted: Converted, names: Mapping[str, str]) -> Converted:
    """A message that speaks of records by other names."""
    if not names:
        return converted
    return converted._replace(
        resources=rename(converted.resources, names),
        shifts=[
            Shift(
                one.verb,
                names.get(one.left, one.left),
                names.get(one.right, one.right),
                rename([one.named], names)[0] if one.named else None,
            )
            for one in converted.shifts
        ],
        gone=[Gone(names.get(one.reference, one.reference), one.name, tuple(rename_parts(one.entries, names))) for one in converted.gone],
    )


def numbered(converted: Converted, records: Records, mark: Mark) -> tuple[Converted, list[Statement]]:
    """The message with its changes of numbers done (A46 to A51): the stored record keeps its id, and the new number stands for it.

    Where the new number has a record already, the change is a merge: the record of the old number ends, and is told so.
    """
    statements: list[Statement] = []
    for shift in [one for one in converted.shifts if one.verb == "becomes"]:
        old, new = key_of_reference(shift.left), key_of_reference(shift.right)
        rest = [one for one in converted.shifts if one is not shift]
        if records.get(new).resource is None:
            records.call(new, old, mark)
            converted = renamed(converted._replace(shifts=rest), {shift.right: shift.left})
        elif records.get(old).resource is None:
            converted = converted._replace(shifts=rest)
        else:
            converted = converted._replace(shifts=[*rest, Shift("into", shift.left, shift.right)])
            statements += ends(shift.left, shift.right, mark)
    return converted, statements


def ends(prior: str, survivor: str, mark: Mark) -> list[Statement]:
    """What is said of two records when one ends in the other."""
    type, id = key_of_reference(prior)
    if type == "Patient":
        return [link(prior, survivor, "replaced-by", mark), link(survivor, prior, "replaces", mark)]
    return [Statement({"resourceType": type, "id": id, "partOf": {"reference": survivor}}, mark, into=survivor)]


def keys_of(converted: Converted) -> Iterator[Key]:
    """Every record that a message names."""
    for resource in converted.resources:
        yield key_of(resource)
    for shift in converted.shifts:
        yield key_of_reference(shift.left)
        yield key_of_reference(shift.right)
    for gone in converted.gone:
        yield key_of_reference(gone.reference)


def is_bare(statement: Statement) -> bool:
    """Whether a statement only takes away."""
    return statement.resource.keys() <= {"resourceType", "id"}


def act_of(before: Record, after: Record) -> str:
    """What was done to a record: it ended in another one, or does so no longer."""
    was, now = ends_in(before), ends_in(after)
    return "merge" if now and not was else "unmerge" if was and not now else ""


def ends_in(record: Record) -> bool:
    return bool(record.marks.into) or (record.resource is not None and next_of(record.resource) is not None)
