"""Accepting: one statement for the whole batch, each message exactly once.

A message is known by a key (its sender's control id, see :func:`~penstock.inbox.message.identity`) under a unique index, so that of
two racing connections one inserts and the other waits and then finds the first. A key that is taken by other bytes is a collision:
it is kept under a second key made of its identity and its bytes, which finds its own repetitions in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import UUID

from penstock.db import Tx, named_sql
from penstock.inbox.message import Accepted, Arrival, Fate, collided_identity, identity, lookup_key, problem_of

_SQL = named_sql(__package__)
_KEYS: tuple[tuple[Fate, Callable[[Arrival], UUID]], ...] = (("new", identity), ("collided", collided_identity))
_LONGEST = 250  # characters of a name that are kept beside the message; the bytes keep them all


class _Open(NamedTuple):
    """An arrival without an answer yet: its position in the batch, and the id that was drawn for it."""

    number: int
    arrival: Arrival
    key: UUID | None = None
    id: int | None = None


async def accept(tx: Tx, arrivals: Sequence[Arrival]) -> list[Accepted]:
    """Record each arrival, or find the one that it repeats; in the order given. Durable when ``tx`` has committed."""
    answers: dict[int, Accepted] = {}
    open_ = [_Open(number, arrival) for number, arrival in enumerate(arrivals)]
    for fate, key_of in _KEYS:
        if open_:
            open_ = [each._replace(key=key_of(each.arrival)) for each in open_]
            open_ = await _insert(tx, open_, fate, answers)
        if open_:
            open_ = await _repeat(tx, open_, answers)
    return [answers[number] for number in range(len(arrivals))]


async def _insert(tx: Tx, open_: list[_Open], fate: Fate, answers: dict[int, Accepted]) -> list[_Open]:
    """Insert those whose key is free, of several with one key the first. The rest keep the ids that were drawn, hence their order."""
    rest = []
    for row in await tx.fetch(_SQL["accept"], *_columns(open_, collided=fate == "collided")):
        each = open_[row["number"] - 1]
        if row["fresh"]:
            answers[each.number] = Accepted(row["id"], fate, each.arrival.problem)
        else:
            rest.append(each._replace(id=row["id"]))
    return sorted(rest, key=lambda each: each.number)


async def _repeat(tx: Tx, open_: list[_Open], answers: dict[int, Accepted]) -> list[_Open]:
    """Answer those whose key holds the same bytes as the first time. A new statement sees a racing insert that ours has waited for."""
    known = {row["key"]: row for row in await tx.fetch(_SQL["known"], [each.key for each in open_])}
    rest = []
    for each in open_:
        row = known[each.key]
        if row["hash"].bytes == each.arrival.hash[:16]:
            answers[each.number] = Accepted(row["inbox_id"], "repeated", problem_of(row))
        else:
            rest.append(each)
    return rest


def _columns(open_: Sequence[_Open], *, collided: bool) -> tuple[object, ...]:
    arrivals = [each.arrival for each in open_]
    problems = [a.problem for a in arrivals]
    lookups = [(number, key) for number, a in enumerate(arrivals, start=1) for key in _lookups(a)]
    return (
        [each.id for each in open_],
        [each.key for each in open_],
        [UUID(bytes=a.hash[:16]) for a in arrivals],
        [a.lane for a in arrivals],
        [a.received_at for a in arrivals],
        [a.state for a in arrivals],
        [a.interface for a in arrivals],
        [_name(a.source) for a in arrivals],
        [_name(a.control_id) for a in arrivals],
        [_name(a.type) for a in arrivals],
        [_name(a.trigger) for a in arrivals],
        [a.trace_id for a in arrivals],
        [a.hash for a in arrivals],
        [p and p.code for p in problems],
        [p and p.text for p in problems],
        [p and p.at for p in problems],
        [a.raw for a in arrivals],
        collided,
        [number for number, _ in lookups],
        [key for _, key in lookups],
        [a.way for a in arrivals],
        [a.stopped or None for a in arrivals],
    )


def _lookups(arrival: Arrival) -> set[int]:
    return {lookup_key(*pair) for pair in (*arrival.keys, ("trace", arrival.trace_id))}


def _name(text: str) -> str:
    """A name that PostgreSQL takes: no NUL, no half characters, not endless."""
    return text[:_LONGEST].replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
