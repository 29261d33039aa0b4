"""What identifies orders of pharmacy and what is done for them: an order, its dispenses and administrations meet over its numbers.

The placer's number comes first: the order has it before a filler gives his, and each later message repeats it (HL7 v2.5.1, 4.5.1.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.convert.numbers import of_type, spelled
from penstock.convert.run import Instance

if TYPE_CHECKING:
    from penstock.convert.identity import Identities

#: the segment that made a Medication, and of which resource it then is; of an order where no other is named
OWNERS = {"RXD": "MedicationDispense", "RXA": "MedicationAdministration"}


def prescription(identities: Identities, instance: Instance) -> str:
    found = of_type(instance.body, "PLAC") or of_type(instance.body, "FILL")
    return spelled(identities.run, found) if found is not None else ""


def of_order(identities: Identities, instance: Instance, *fields: int) -> str:
    """The order, and what tells several things that were done for it apart: fields of the segment that tells of them."""
    order = identities.near(instance, "MedicationRequest")
    if order is None or instance.place < 0:
        return ""
    segment = identities.run.segments[instance.place]
    return "|".join((order.key, segment.name, *(identities.run.get(segment.fields, field) for field in fields)))


def dispense(identities: Identities, instance: Instance) -> str:
    """RXD-1 counts the dispenses of an order; RXD-3 tells those apart whose sender does not count."""
    return of_order(identities, instance, 1, 3)


def administration(identities: Identities, instance: Instance) -> str:
    """RXA-2 counts the administrations of an order; RXA-3 tells those apart whose sender does not count."""
    return of_order(identities, instance, 2, 3)


def medication(identities: Identities, instance: Instance) -> str:
    """The medication of an order, a dispense or an administration is that one's own."""
    owner = identities.near(instance, OWNERS.get(instance.creator, "MedicationRequest"))
    return owner.key if owner is not None else ""
