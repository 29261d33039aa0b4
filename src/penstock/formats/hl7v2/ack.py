"""Acknowledgements: MSH, MSA and ERR (HL7 v2.5 section 2.9, 2.15.5 and 2.15.8), and which code a message asks for.

Nothing of the message is repeated but its header's own fields, and those as they were written: a field as written holds
no field separator and no segment end, so that no answer can grow a field or a segment.
"""

from __future__ import annotations

import re
from datetime import datetime

from penstock.errors import Problem
from penstock.formats.hl7v2.delimiters import Delimiters
from penstock.formats.hl7v2.escape import escape
from penstock.formats.hl7v2.header import Header

#: Table 0357: message error condition codes.
TABLE_0357: dict[str, str] = {
    "0": "Message accepted",
    "100": "Segment sequence error",
    "101": "Required field missing",
    "102": "Data type error",
    "103": "Table value not found",
    "200": "Unsupported message type",
    "201": "Unsupported event code",
    "202": "Unsupported processing id",
    "203": "Unsupported version id",
    "204": "Unknown key identifier",
    "205": "Duplicate key identifier",
    "206": "Application record locked",
    "207": "Application internal error",
}

#: Outcome to (accept code, application code) of table 0008.
CODES: dict[str, tuple[str, str]] = {"accepted": ("CA", "AA"), "error": ("CE", "AE"), "rejected": ("CR", "AR")}

#: Table 0155: when MSH-15 or MSH-16 asks for an answer. Anything else is answered.
_ASKED: dict[str, frozenset[str]] = {
    "NE": frozenset(),
    "": frozenset(),
    "SU": frozenset({"accepted"}),
    "ER": frozenset({"error", "rejected"}),
}
_ALWAYS = frozenset(CODES)

#: Header fields whose unsupported value has its own condition code.
_CONDITIONS = {"MSH-9": "200", "MSH-9.2": "201", "MSH-11": "202", "MSH-12": "203"}

_CONTROL = re.compile(r"[\0-\x1f\x7f]")
_LOCATION = re.compile(r"([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?(?:-(\d+)(?:\[(\d+)\])?(?:\.(\d+))?(?:\.(\d+))?)?")


def answer_code(accept_ack: str, application_ack: str, outcome: str, *, processed: bool = False) -> str | None:
    """The acknowledgement code for ``outcome`` (a key of :data:`CODES`), or None where the sender wants no answer.

    Original mode (MSH-15 and MSH-16 empty): AA, AE, AR. Enhanced mode: MSH-15 decides on CA, CE, CR; where it asks for
    none, MSH-16 decides on AA, AE, AR. With ``processed`` the outcome is that of processing, and MSH-16 is asked first.
    """
    accept, application = CODES[outcome]
    if not accept_ack and not application_ack:
        return application
    wishes = [(accept_ack, accept), (application_ack, application)]
    for wish, code in reversed(wishes) if processed else wishes:
        if outcome in _ASKED.get(wish.upper(), _ALWAYS):
            return code
    return None


def acknowledge(header: Header, code: str, *, problem: Problem | None = None, now: datetime, control_id: str) -> bytes:
    """The acknowledgement of the message with ``header``: sender and receiver swapped, in its delimiters, version and character set."""
    cuts = header.delimiters
    segments = [_msh(header, cuts, now, control_id), _msa(header, code, problem)]
    if problem is not None:
        segments.append(_err(header, problem))
    return "".join(segment + "\r" for segment in segments).encode(header.codec, "replace")


def _msh(header: Header, cuts: Delimiters, now: datetime, control_id: str) -> str:
    fields = [""] * 17
    fields[0] = cuts.encoding
    fields[1:5] = _echo(header, 5), _echo(header, 6), _echo(header, 3), _echo(header, 4)
    fields[5] = now.strftime("%Y%m%d%H%M%S%z")
    fields[7] = _type(header)
    fields[8] = _written(control_id, cuts)
    fields[9] = _echo(header, 11) or "P"
    fields[10] = _echo(header, 12) or "2.5"
    fields[16] = _echo(header, 18)
    return ("MSH" + cuts.field + cuts.field.join(fields)).rstrip(cuts.field)


def _type(header: Header) -> str:
    """MSH-9 by version: the trigger since 2.2, the structure since 2.3.1."""
    mark, version = header.delimiters.component, header.version
    if not mark or version == "2.1":
        return "ACK"
    if version in ("2.2", "2.3"):
        return f"ACK{mark}{header.trigger}".rstrip(mark)
    return f"ACK{mark}{header.trigger}{mark}ACK" if header.trigger else "ACK"


def _msa(header: Header, code: str, problem: Problem | None) -> str:
    fields = ["MSA", code, _echo(header, 10)]
    if problem is not None and not _current(header):
        fields.append(_written(problem.text, header.delimiters)[:80])
    return header.delimiters.field.join(fields)


def _err(header: Header, problem: Problem) -> str:
    cuts = header.delimiters
    condition = _condition(problem)
    if not _current(header):
        return f"ERR{cuts.field}{_eld(problem.at, condition, cuts)}"
    coded = _joined([condition, TABLE_0357[condition], "HL70357"], cuts.component)
    return cuts.field.join(["ERR", "", _erl(problem.at, cuts), coded, "E", "", "", problem.code, _written(problem.text, cuts)])


def _erl(at: str, cuts: Delimiters) -> str:
    """ERR-2 (ERL): segment, its occurrence, field, repetition, component, subcomponent."""
    found = _LOCATION.fullmatch(at)
    if found is None:
        return ""
    segment, occurrence, field, repetition, component, subcomponent = found.groups()
    counted = [segment, occurrence or "1", field, (repetition or "1") if field else None, component, subcomponent]
    return _joined([value or "" for value in counted], cuts.component)


def _eld(at: str, condition: str, cuts: Delimiters) -> str:
    """ERR-1 (ELD) of versions before 2.5: segment, its occurrence, field, code."""
    found = _LOCATION.fullmatch(at)
    place = [found[1], found[2] or "1", found[3] or ""] if found else ["", "", ""]
    coded = _joined([condition, TABLE_0357[condition], "HL70357"], cuts.subcomponent)
    return _joined([*place, coded], cuts.component)


def _joined(values: list[str], mark: str) -> str:
    """``values`` as parts; only the first where the message has no delimiter for them."""
    return mark.join(values).rstrip(mark) if mark else values[0]


def _condition(problem: Problem) -> str:
    """Table 0357 for a problem: what its code means, but for header fields that have a condition of their own."""
    meant = problem.meaning.ack
    return _CONDITIONS.get(problem.at, meant) if problem.code == "not-supported" else meant


def _current(header: Header) -> bool:
    """Whether the version has the ERR segment of 2.5; an unknown version is taken as current."""
    return header.version not in ("2.1", "2.2", "2.3", "2.3.1", "2.4")


def _echo(header: Header, number: int) -> str:
    return _CONTROL.sub("", header.field(number))


def _written(text: str, cuts: Delimiters) -> str:
    """Our own text, escaped; in a message without an escape character its delimiters become spaces."""
    if cuts.escape:
        return escape(text, cuts)
    return "".join(" " if character in cuts else character for character in _CONTROL.sub("", text))
