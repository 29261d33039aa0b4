"""What goes in and comes out of the inbox, and the hashes by which a message is known."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

import xxhash

from penstock.db.pool import Row
from penstock.errors import Problem

#: New: never seen. Repeated: the same bytes under the same control id. Collided: other bytes under a control id seen before.
Fate = Literal["new", "repeated", "collided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A message as a listener got it.

    ``source`` names the sender and survives its reconnecting (MSH-3 and MSH-4), since it is part of the message's identity. ``hash`` is
    :func:`digest` of ``raw``, ``lane`` comes from :func:`lane_of`, ``keys`` are the (kind, value) by which :func:`~penstock.inbox.find`
    finds it, beside ("trace", ``trace_id``). A message that cannot be processed arrives ``quarantined``, with the ``problem`` that its
    sender is told and the stage at which it was ``stopped``. ``way`` is how it came in (:mod:`penstock.audit.way`).
    """

    interface: str
    source: str
    control_id: str
    type: str
    trigger: str
    hash: bytes
    lane: int
    raw: bytes
    received_at: datetime
    trace_id: str
    keys: tuple[tuple[str, str], ...] = ()
    state: Literal["ready", "quarantined"] = "ready"
    problem: Problem | None = None
    way: str = ""
    stopped: str = ""


class Accepted(NamedTuple):
    """The durable answer to an :class:`Arrival`: a repeated message has the ``inbox_id`` and the ``problem`` of the first one."""

    inbox_id: int
    fate: Fate
    problem: Problem | None


@dataclass(frozen=True, slots=True)
class Received:
    """A claimed message. ``attempts`` counts those that ended in a problem before this one."""

    inbox_id: int
    interface: str
    lane: int
    raw: bytes
    received_at: datetime
    trace_id: str
    attempts: int
    source: str
    control_id: str
    type: str
    trigger: str
    collided: bool


def digest(raw: bytes) -> bytes:
    """SHA-256 of a message's bytes."""
    return hashlib.sha256(raw).digest()


def lane_of(source: str, patient: str) -> int:
    """The lane of one patient at one source (for a message without a patient: of the source alone, with ``patient`` empty)."""
    return _signed(f"{source}\x00{patient}")


def lookup_key(kind: str, value: str) -> int:
    """What ``inbox_lookup`` keeps of an identifier."""
    return _signed(f"{kind}\x00{value}")


def identity(arrival: Arrival) -> UUID:
    """The key of a message: (interface, source, control id); without a control id its bytes take the place of it."""
    name = arrival.control_id.encode("utf-8", "replace") or arrival.hash
    parts = (arrival.interface.encode(), arrival.source.encode("utf-8", "replace"), name)
    return UUID(bytes=hashlib.sha256(b"\x00".join(parts)).digest()[:16])


def collided_identity(arrival: Arrival) -> UUID:
    """The key of a message whose control id was used for other bytes before: its identity and its bytes."""
    return UUID(bytes=hashlib.sha256(identity(arrival).bytes + arrival.hash).digest()[:16])


def problem_of(row: Row) -> Problem | None:
    """The Problem in the columns ``code``, ``text`` and ``at``, or None."""
    return Problem(row["code"], row["text"] or "", at=row["at"] or "") if row["code"] else None


def _signed(text: str) -> int:
    number: int = xxhash.xxh3_64_intdigest(text.encode("utf-8", "replace"))
    return number - 2**64 if number >= 2**63 else number
