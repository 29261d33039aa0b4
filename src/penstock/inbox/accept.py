"""Accepting: one statement for the whole batch, each message exactly once.

A message is known by a key (its sender's control id, see :func:`~penstock.inbox.message.identity`) under a unique index, so that of
two racing connections one inserts and the other waits and then finds the first. A key that is taken by other bytes is a collision:
it is kept under a second key made of its identity and its bytes, which finds its own repetitions in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from penstock.db import Tx, named_sql
from penstock.inbox.message import Accepted, Arrival, Fate, collided_identity, identity, lookup_key, problem_of

_SQL = named_sql(__package__)
_KEYS: tuple[tuple[Fate, Callable[[Arrival], UUID]], ...] = (("new", identity), ("collided", collided_identity))
_Numbered = dict[int, Arrival]  # by position in the batch
_LONGEST = 250  # characters of a name that are kept beside the message; the bytes keep them all


async def accept(tx: Tx, arrivals: Sequence[Arrival]) -> list[Accepted]:
    """Record each arrival, or find the one that it repeats; in the order given. Durable when ``tx`` has committed."""
    answers: dict[int, Accepted] = {}
    numbered = dict(enumerate(arrivals))
    for fate, key_of in _KEYS:
        if numbered:
            keys = {number: key_of(arrival) for number, arrival in numbered.items()}
            answers |= await _insert(tx, numbered, keys, fate)
            answers |= await _repeat(tx, {n: a for n, a in numbered.items() if n not in answers}, keys)
            numbered = {n: a for n, a in numbered.items() if n not in answers}
    return [answers[number] for number in range(len(arrivals))]


async def _insert(tx: Tx, numbered: _Numbered, keys: dict[int, UUID], fate: Fate) -> dict[int, Accepted]:
    """Insert those whose key is free; of several with one key in this batch, the first."""
    first = {keys[number]: number for number in reversed(numbered)}
    batch = sorted(first.values())
    columns = _columns([numbered[n] for n in batch], [keys[n] for n in batch], collided=fate == "collided")
    inserted = await tx.fetch(_SQL["accept"], *columns)
    return {(n := first[row["key"]]): Accepted(row["inbox_id"], fate, numbered[n].problem) for row in inserted}


async def _repeat(tx: Tx, rest: _Numbered, keys: dict[int, UUID]) -> dict[int, Accepted]:
    """Answer those whose key holds the same bytes as the first time. A new statement sees a racing insert that ours has waited for."""
    if not rest:
        return {}
    known = {row["key"]: row for row in await tx.fetch(_SQL["known"], [keys[number] for number in rest])}
    same = {number: known[keys[number]] for number, arrival in rest.items() if known[keys[number]]["hash"].bytes == arrival.hash[:16]}
    return {number: Accepted(row["inbox_id"], "repeated", problem_of(row)) for number, row in same.items()}


def _columns(arrivals: Sequence[Arrival], keys: Sequence[UUID], *, collided: bool) -> tuple[object, ...]:
    problems = [a.problem for a in arrivals]
    lookups = [(number, key) for number, a in enumerate(arrivals, start=1) for key in _lookups(a)]
    return (
        keys,
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
    )


def _lookups(arrival: Arrival) -> set[int]:
    return {lookup_key(*pair) for pair in (*arrival.keys, ("trace", arrival.trace_id))}


def _name(text: str) -> str:
    """A name that PostgreSQL takes: no NUL, no half characters, not endless."""
    return text[:_LONGEST].replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
