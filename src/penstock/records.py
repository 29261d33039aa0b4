"""What a batch of messages says, put onto what is stored: resources with their marks, locked, folded, written.

The stored rows of all resources that a batch names are locked once, in one order; statements are folded in the order of the messages,
and each result by the mark of its message (see ``penstock.convert.state``). The marks are written in the transaction of the resources.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from penstock.auth.access import SYSTEM
from penstock.convert.state import Marks, Record, Statement, dump, fold, load
from penstock.db import Tx
from penstock.errors import Problem
from penstock.formats.fhir import json
from penstock.formats.fhir.validate import require_sound
from penstock.store import Store, Written
from penstock.store.marks import put_marks, read_marks

Resource = dict[str, Any]
Key = tuple[str, str]

#: What messages only mention. Its marks move when its content does: nearly every message names the same places and people again.
MENTIONED = frozenset({"Device", "Location", "Medication", "Organization", "Practitioner", "PractitionerRole"})


class Records:
    """The records of a batch, as they were and as they become."""

    def __init__(self, found: dict[Key, Record]) -> None:
        self._found = found
        self._now = dict(found)

    @classmethod
    async def load(cls, tx: Tx, store: Store, keys: Iterable[Key]) -> Records:
        """Read and lock those of ``keys`` that exist."""
        stored = await store.read_many(tx, SYSTEM, keys, lock=True)
        marks = await read_marks(tx, SYSTEM, keys)
        return cls({key: Record(json.decode(one.body), load(marks[key]) if key in marks else Marks()) for key, one in stored.items()})

    def fold(self, statement: Statement) -> Record:
        """The record of the resource after ``statement``; a result that R4 does not allow is a Problem."""
        key = key_of(statement.resource)
        before = self._now.get(key, NOTHING)
        after = fold(before, statement)
        assert after.resource is not None
        if after.resource != before.resource:
            require_sound(after.resource)  # what a converter makes is held to the same rules as what a client sends
        elif key[0] in MENTIONED:
            after = before._replace(lost=after.lost)
        self._now[key] = after
        return after

    def get(self, key: Key) -> Record | None:
        return self._now.get(key)

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

    async def keep(self, tx: Tx) -> None:
        """Write the marks that have changed."""
        changed = {key: record.marks for key, record in self._now.items() if record is not self._found.get(key)}
        await put_marks(tx, SYSTEM, {key: dump(marks) for key, marks in changed.items()})


NOTHING = Record(None, Marks())


def key_of(resource: Resource) -> Key:
    return resource["resourceType"], resource["id"]
