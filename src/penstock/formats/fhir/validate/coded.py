"""Whether a coded element is in a value set: a code, a Coding, a concept with several of them, a quantity's unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.formats.fhir.validate.items import Item

#: ``member(value set, system, code)``: None when it is not known.
Member = Callable[[str, "str | None", str], "bool | None"]

QUANTITIES = frozenset(("Quantity", "Age", "Count", "Distance", "Duration", "Money"))


def is_member(item: Item, value_set: str, member: Member) -> bool | None:
    """One code in the set is enough; None when nothing coded is there, or when nobody here knows."""
    pairs = _codes(item)
    if pairs is None:
        return None
    verdicts = [member(value_set, system, code) for system, code in pairs]
    if True in verdicts:
        return True
    return None if None in verdicts else False


def _codes(item: Item) -> list[tuple[str | None, str]] | None:
    """What to ask for; an empty list for something that has no code at all, None where that says nothing."""
    value: Any = item.value
    if isinstance(value, str):
        return [(None, value)]
    if not isinstance(value, dict):
        return None
    if item.type == "CodeableConcept":
        codings = [coding for coding in value.get("coding", ()) if "code" in coding]
        return [(coding.get("system"), coding["code"]) for coding in codings] if codings or "text" not in value else []
    if item.type in QUANTITIES or item.type == "Coding":
        return [(value.get("system"), value["code"])] if "code" in value else []
    return None
