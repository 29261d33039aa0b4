"""From bytes to an Arrival, and from what the inbox said to an answer. Pure: the time and the trace id come in.

Whatever arrived in a frame becomes an Arrival, so that it is kept: what cannot be processed is quarantined with its problem.
The answer depends only on that problem and the interface; the same message is therefore answered the same way for ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

from penstock.audit.way import Way, encode, microseconds
from penstock.errors import Problem, explain
from penstock.formats.hl7v2 import NO_HEADER, Header, Message, Segment, header, parse, parts, unescape
from penstock.inbox import Arrival, digest, lane_of
from penstock.ingress.interface import Interface, Policy

#: Says why a message that was read cannot be processed (no table maps it, say), or None. It must be quick.
Check = Callable[[Header, Message], Problem | None]

#: Identifiers by which a message is found: kind, segment, field. The first component of every repetition counts.
LOOKUPS: tuple[tuple[str, str, int], ...] = (
    ("patient", "PID", 3),
    ("patient", "PID", 2),
    ("patient", "PID", 4),
    ("patient", "MRG", 1),
    ("account", "PID", 18),
    ("visit", "PV1", 19),
    ("placer-order", "ORC", 2),
    ("placer-order", "OBR", 2),
    ("filler-order", "ORC", 3),
    ("filler-order", "OBR", 3),
    ("accession", "OBR", 18),
    ("accession", "IPC", 1),
)

#: So many identifiers of one message are indexed at most.
MOST_KEYS = 100

_VERSION = re.compile(r"2(\.[0-9][0-9.A-Z]*)?")
_CONTROL = re.compile(r"[\0-\x1f\x7f]")
_OUTCOMES: dict[Policy, str] = {"reject": "rejected", "error": "error", "accept": "accepted"}


class Sender(NamedTuple):
    """Who sends, as the carrier knows it: its host or client, by which ``carrier`` and ``rule`` it came, and the trace that it named."""

    peer: str
    carrier: str = "mllp"
    rule: str = ""
    trace_id: str = ""


class Arrived(NamedTuple):
    """The Arrival, and the header to answer to."""

    arrival: Arrival
    header: Header


def arrive(
    data: bytes,
    interface: Interface,
    *,
    sender: Sender,
    now: datetime,
    trace_id: str,
    check: Check | None = None,
    flaw: Problem | None = None,
    lap: Callable[[], float] = lambda: 0.0,
) -> Arrived:
    """What ``data`` from a sender is to the inbox. ``flaw`` is what was wrong with its frame; ``lap`` a clock that counts seconds."""
    began = lap()
    found, message, problem, stopped = _read(data, interface, check, flaw)
    source = _source(found) or sender.peer
    keys, patient = _keys(message) if message is not None else ((), "")
    control_id = found.control_id
    if control_id:
        keys = (("control", control_id), *keys)
    if sender.trace_id not in ("", trace_id):
        keys = (("trace", sender.trace_id), *keys)
    way = Way(
        sender.carrier, sender.peer, f"{sender.rule} {interface.rule}".lstrip(), _schema(found), microseconds(now),
        -1 if stopped in ("received", "authorised") else int((lap() - began) * 1_000_000),
    )  # fmt: skip
    arrival = Arrival(
        interface=interface.name,
        source=source,
        control_id=control_id,
        type=found.type,
        trigger=found.trigger,
        hash=digest(data),
        lane=lane_of(source, patient),
        raw=data,
        received_at=now,
        trace_id=trace_id,
        keys=keys,
        state="ready" if problem is None else "quarantined",
        problem=problem,
        way=encode(way),
        stopped=stopped,
    )
    return Arrived(arrival, found)


def outcome(problem: Problem | None, interface: Interface) -> str:
    """``accepted``, ``error`` or ``rejected`` (HL7 table 0008) for what became of a message.

    Rejected is what says nothing usable as a whole (its frame, its header); error is everything in doubt and everything else.
    """
    if problem is None:
        return "accepted"
    if unmapped(problem):
        return _OUTCOMES[interface.unmappable]
    if problem.meaning.retry:
        return "error"
    return "rejected" if not problem.at or problem.at.startswith("MSH") else "error"


def unmapped(problem: Problem) -> bool:
    """Whether the problem is that no table maps this type of message (``not-supported`` at MSH-9)."""
    return problem.code == "not-supported" and problem.at.startswith("MSH-9")


def _read(
    data: bytes, interface: Interface, check: Check | None, flaw: Problem | None
) -> tuple[Header, Message | None, Problem | None, str]:
    """The header as far as it can be read, the message if it can be, the first problem, and the stage that it did not pass."""
    found, message, stage = NO_HEADER, None, "received"
    try:
        found = header(data)
        problem = flaw or _header_problem(found)
        if problem is None:
            stage, problem = "authorised", interface.refusal(found)
        if problem is None:
            stage, message = "parsed", parse(data, charset=interface.charset, fallback=interface.fallback)
            problem = _broken(message)
        if problem is None and message is not None and check is not None:
            stage, problem = "mapped", check(found, message)
    except Exception as error:  # a defect of ours must not lose a message: it is kept with a problem that says so
        return found, None, flaw or explain(error), stage
    return found, message, problem, stage if problem else ""


def _schema(found: Header) -> str:
    return f"HL7 {found.version}" if _VERSION.fullmatch(found.version) else "HL7 v2"


def _header_problem(found: Header) -> Problem | None:
    if not found.field(10):
        return Problem("required", "the message has no control id", at="MSH-10")
    if len(found.control_id) > 199:
        return Problem("too-long", "the control id is longer than 199 characters", at="MSH-10")
    if _CONTROL.search(found.control_id):
        return Problem("invalid", "the control id holds a control character", at="MSH-10")
    if not found.type:
        return Problem("required", "the message has no message type", at="MSH-9")
    if found.version and not _VERSION.fullmatch(found.version):
        return Problem("not-supported", "this is not a version of HL7 v2", at="MSH-12")
    return None


def _broken(message: Message) -> Problem | None:
    """A line that is no segment was cut out of a field: what stands before it would be stored as if it were whole."""
    for segment, after in zip(message.segments, message.segments[1:], strict=False):
        if not after.name:
            return Problem("structure", "the segment is followed by a line that is no segment", at=segment.name)
    return None


def _source(found: Header) -> str:
    """MSH-3 and MSH-4 as written; "" where neither says anything."""
    application, facility = found.field(3), found.field(4)
    return f"{application}|{facility}" if application or facility else ""


def _keys(message: Message) -> tuple[tuple[tuple[str, str], ...], str]:
    """The identifiers to find the message by, and the one of PID-3 that names its lane."""
    keys: dict[tuple[str, str], None] = {}
    patient = ""
    for kind, name, number in LOOKUPS:
        for segment in message.all(name):
            for value in _identifiers(message, segment, number):
                if len(keys) == MOST_KEYS:
                    return tuple(keys), patient
                patient = patient or (value if kind == "patient" else "")
                keys[kind, value] = None
    return tuple(keys), patient


def _identifiers(message: Message, segment: Segment, number: int) -> Iterator[str]:
    """The first component of each repetition of a field, unescaped; null and blanks are none."""
    raw = segment.field(number)
    if not raw:
        return
    cuts = message.delimiters
    for repetition in parts(raw, cuts.repetition):
        value = unescape(parts(repetition, cuts.component)[0], cuts, message.charset).strip()
        if value and value != '""':
            yield value
