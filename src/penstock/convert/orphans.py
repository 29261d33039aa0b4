"""Results of orders that nobody told of: such a result is kept, with the order as far as the result names it, and flagged."""

from __future__ import annotations

from collections.abc import Collection

from penstock.convert.engine import Converted

#: The structures that report on orders; an order in any other is the order itself.
RESULTS = frozenset({"ORU_R01"})
#: What its sender may want to know: the order went astray, comes later, or has another number there.
ORPHAN = "drift: a result of an order that no message told of"


def orphans(converted: Converted, created: Collection[int]) -> list[tuple[str, str]]:
    """The fields that number such orders, with the reason; ``created`` are the indexes of the resources that were not stored before."""
    if converted.structure not in RESULTS:
        return []
    orders = {index for index in created if converted.resources[index]["resourceType"] == "ServiceRequest"}
    numbers: dict[int, str] = {}
    for index, path, _, source in converted.lineage if orders else ():
        if index in orders and path.startswith("identifier["):
            numbers.setdefault(index, source)
    return [(source, ORPHAN) for source in numbers.values()]
