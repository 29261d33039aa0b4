"""What is agreed with those who send through one interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from penstock.errors import Problem
from penstock.formats.hl7v2 import Header

#: The answer to a message that is stored but that no table maps.
Policy = Literal["reject", "error", "accept"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One interface. Its name is part of every message's identity: renaming it makes every message new.

    ``charset`` is read instead of MSH-18, ``fallback`` where MSH-18 is empty and the bytes are not UTF-8. ``applications`` and
    ``facilities`` are the MSH-3.1 and MSH-4.1 that may send, ``processing_ids`` the MSH-11.1; empty means any. ``ack`` says what an
    acknowledgement means: the message is durable (received), or what it says is stored (processed).
    """

    name: str
    zone: str = "UTC"
    charset: str | None = None
    fallback: str | None = None
    ack: Literal["received", "processed"] = "received"
    unmappable: Policy = "error"
    applications: frozenset[str] = frozenset()
    facilities: frozenset[str] = frozenset()
    processing_ids: frozenset[str] = frozenset()

    @property
    def rule(self) -> str:
        """What lets a sender in, in words for a trace: the interface, and the fields of the header for which it has lists."""
        lists = (self.applications, "MSH-3"), (self.facilities, "MSH-4"), (self.processing_ids, "MSH-11")
        return " ".join((f"interface:{self.name}", *(field for allowed, field in lists if allowed)))

    def refusal(self, header: Header) -> Problem | None:
        """Why a message with this header may not come through here, or None."""
        for allowed, number, text in (
            (self.applications, 3, "this interface does not accept that sending application"),
            (self.facilities, 4, "this interface does not accept that sending facility"),
            (self.processing_ids, 11, "this interface does not accept that processing id"),
        ):
            if allowed and header.component(number, 1) not in allowed:
                return Problem("not-supported", text, at=f"MSH-{number}")
        return None


MLLP = Interface(name="mllp")
HTTP = Interface(name="http")
