"""What a batch of messages says, put onto what is stored: resources with their marks, locked, folded, written.

The stored rows of all resources that a batch names are locked once, in one order; statements are folded in the order of the messages,
and each result by the mark of its message (see ``penstock.convert.state``). The marks are written in the transaction of the resources.

A record may have ended in another one (a patient by its link, a visit or an account by its marks): what refers to it then refers to the
one that survives, whenever it is said. A number that has no record may stand for one that is stored under another id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from penstock.auth.access import SYSTEM
from penstock.convert.state import Mark, Marks, Record, Statement, dump, fold, load
from penstock.db import Tx
from penstock.errors import Problem
from penstock.formats.fhir import json
from penstock.formats.fhir.validate import require_sound
from penstock.match import Survivors, next_of, redirected
from penstock.store import Store, Written
from penstock.store.marks import put_marks, read_marks
from penstock.store.moved import Moved, note_moved

Resource = dict[str, Any]
Key = tuple[str, str]

#: What messages only mention. Its marks move when its content does: nearly every message names the same places and people again.
MENTIONED = frozenset({"Device", "Location", "Medication", "Organization", "Practitioner", "PractitionerRole"})
NOTHING = Record(None, Marks())


class Records:
    """The records of a batch, as they were and as they become."""

    def __init__(self, tx: Tx, store: Store) -> None:
        self._tx, self._store = tx, store
        self._found: dict[Key, Record] = {}
        self._now: dict[Key, Record] = {}
        self._looked: set[Key] = set()
        self._moved: list[Moved] = []
        self.survivors = Survivors()
        #: the records that numbers without a record stand for, by references
        self.called: dict[str, str] = {}

    async def load(self, keys: Iterable[Key]) -> None:
        """Read and lock those of ``keys`` that exist, and the records in which they ended."""
        wanted = set(keys) - self._looked
        while wanted:
            self._looked |= wanted
            stored = await self._store.read_many(self._tx, SYSTEM, wanted, lock=True)
            marks = {key: load(data) for key, data in (await read_marks(self._tx, SYSTEM, wanted)).items()}
            for key in stored:
                self._found[key] = record = Record(json.decode(stored[key].body), marks.get(key) or Marks())
                self._set(key, record)
            for key in marks.keys() - stored.keys():
                if into := marks[key].into:
                    self.called[reference_of(key)] = into[1]
            ends = [*self.called.values(), *(self.survivors.final(reference_of(key)) for key in stored)]
            wanted = {key_of_reference(one) for one in ends} - self._looked

    def get(self, key: Key) -> Record:
        return self._now.get(key, NOTHING)

    def _set(self, key: Key, record: Record) -> None:
        self._now[key] = record
        if key[0] == "Patient":
            self.survivors.learn(reference_of(key), next_of(record.resource or {}))
        elif record.marks.into:
            self.survivors.learn(reference_of(key), record.marks.into[1])

    def fold(self, statement: Statement) -> Record:
        """The record of the resource after ``statement``; a result that R4 does not allow is a Problem."""
        key = key_of(statement.resource)
        before = self.get(key)
        after = fold(before, statement)
        assert after.resource is not None
        if after.resource != before.resource:
            require_sound(after.resource)  # what a converter makes is held to the same rules as what a client sends
        elif key[0] in MENTIONED:
            after = before._replace(lost=after.lost)
        self._set(key, after)
        return after

    def put(self, key: Key, resource: Resource) -> None:
        """The same record, which refers to others by other names."""
        require_sound(resource)
        self._now[key] = self.get(key)._replace(resource=resource)

    def follow(self, statement: Statement) -> Statement:
        """The statement, referring to the records that survive, and to the patient to whom its visit was moved."""
        names = self.survivors.names() if self.survivors else {}
        resource, found = redirected(statement.resource, names)
        self.note(key_of(resource), found)
        home = self._home(resource)
        if home:
            resource, _ = redirected(resource, home)
        return statement._replace(resource=resource) if resource is not statement.resource else statement

    def _home(self, resource: Resource) -> dict[str, str]:
        """What belongs to a visit that was moved (A45) belongs to the patient of the visit."""
        visit = resource.get("encounter")
        subject = (resource.get("subject") or resource.get("patient")) if isinstance(visit, dict) else None
        if not isinstance(visit, dict) or not isinstance(subject, dict) or "reference" not in visit or "reference" not in subject:
            return {}
        record = self.get(key_of_reference(visit["reference"]))
        moved = record.marks.own.get("subject")
        if moved is None or moved.level < MOVED or record.resource is None:
            return {}
        return {subject["reference"]: record.resource["subject"]["reference"]}

    def note(self, key: Key, found: Iterable[tuple[str, str]]) -> None:
        """Remember which references of a resource were led away from which records."""
        by_prior: dict[str, list[str]] = {}
        for path, prior in found:
            by_prior.setdefault(prior, []).append(path)
        self._moved += [Moved(prior, key, tuple(paths)) for prior, paths in by_prior.items()]

    def call(self, number: Key, record: Key, mark: Mark) -> None:
        """What is said under a number that has no record is said of this record from now on."""
        self._now[number] = Record(None, Marks(into=(mark, reference_of(record))))
        self.called[reference_of(number)] = reference_of(record)

    def check(self, outcomes: Sequence[Written | Problem]) -> list[Written]:
        """What was written. A Problem is raised, and so is it that somebody else made a resource which was not there when we looked."""
        written: list[Written] = []
        seen = set(self._found)
        for outcome in outcomes:
            if isinstance(outcome, Problem):
                raise outcome
            key = (outcome.type, outcome.id)
            if key not in seen and outcome.op != "create":
                raise Problem("conflict", "somebody else has stored this resource at the same moment")
            seen.add(key)
            written.append(outcome)
        return written

    async def keep(self) -> None:
        """Write the marks that have changed, and what was led away."""
        changed = {key: record.marks for key, record in self._now.items() if record is not self._found.get(key)}
        await put_marks(self._tx, SYSTEM, {key: dump(marks) for key, marks in changed.items()})
        await note_moved(self._tx, SYSTEM, self._moved)
        self._found |= {key: record for key, record in self._now.items() if record.resource is not None}
        self._moved = []


#: the level of a mark that only another move can change
MOVED = 2


def key_of(resource: Resource) -> Key:
    return resource["resourceType"], resource["id"]


def reference_of(key: Key) -> str:
    return f"{key[0]}/{key[1]}"


def key_of_reference(reference: str) -> Key:
    type, _, id = reference.partition("/")
    return type, id
