"""The way that something came in: one short text beside what it became, from which a trace tells the stages before it was stored.

Every inbound path has the same stages (:data:`STAGES`). What only one of them knows, such as the rules of a conversion, is kept where it
is known; a way holds what all of them have: a door, a rule that let it in, a schema, and three moments. Pure.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

#: The stages of every inbound path, in their order. Only what is not FHIR already is parsed and mapped.
STAGES = ("received", "authorised", "parsed", "mapped", "validated", "stored", "published", "delivered")
#: Where a way may end instead: for good, for good and as agreed, or for now.
ENDS = ("refused", "filtered", "waiting")

#: The schema of everything that is stored.
FHIR = "FHIR 4.0.1"
SOUND = "R4 structure and invariants"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Way(NamedTuple):
    """``door`` is the interaction or the carrier (``fhir:create``, ``mllp``, ``load``), ``client`` who came (``""`` where that stands
    beside), ``rule`` what let it in (a scope, the lists of an interface), ``schema`` in which it came.

    ``received`` is in microseconds since 1970; ``authorised`` and ``validated`` follow it by so many, -1 where it never got there.
    """

    door: str
    client: str
    rule: str
    schema: str
    received: int
    authorised: int = -1
    validated: int = -1

    def at(self, after: int = 0) -> datetime:
        """The moment so many microseconds after it was received."""
        return moment(self.received + after)


def microseconds(at: datetime) -> int:
    """A moment as a way holds it."""
    return (at - _EPOCH) // _MICROSECOND


def moment(since: int) -> datetime:
    """The same backwards."""
    return _EPOCH + timedelta(microseconds=since)


def encode(way: Way) -> str:
    """As it is kept in a column."""
    return msgspec.json.encode(way).decode()


def decode(text: str) -> Way | None:
    """None for what was written before ways were kept."""
    return msgspec.json.decode(text, type=Way) if text else None
