"""What identifies orders of pharmacy and what is done for them: an order, its dispenses and administrations meet over its numbers.

The placer's number comes first: the order has it before a filler gives his, and each later message repeats it (HL7 v2.5.1, 4.5.1.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.convert.numbers import of_type, spelled
from penstock.convert.run import Instance

if TYPE_CHECKING:
    from penstock.convert.identity import Identities

#: what tells several things of one order apart, by the segment that tells of them: its counter, and for those whose sender does not count
#: its time (RXD-1 and RXD-3, RXA-2 and RXA-3, RXG-1)
COUNTERS = {"RXD": (1, 3), "RXA": (2, 3), "RXG": (1,)}


def prescription(identities: Identities, instance: Instance) -> str:
    """The order; a give of it (RXG) by its counter."""
    if instance.creator in COUNTERS:
        return of_order(identities, instance)
    found = of_type(instance.body, "PLAC") or of_type(instance.body, "FILL")
    return spelled(identities.run, found) if found is not None else ""


def of_order(identities: Identities, instance: Instance) -> str:
    """A dispense, an administration or a give: the order, and what tells it from others of the same order."""
    order = identities.near(instance, "MedicationRequest")
    if order is None or instance.place < 0:
        return ""
    segment = identities.run.segments[instance.place]
    return "|".join((order.key, segment.name, *(identities.run.get(segment.fields, field) for field in COUNTERS.get(segment.name, ()))))


def medication(identities: Identities, instance: Instance) -> str:
    """The medication of an order, a dispense, an administration or a give is that one's own."""
    if instance.creator in COUNTERS:
        return of_order(identities, instance)
    order = identities.near(instance, "MedicationRequest")
    return order.key if order is not None else ""
