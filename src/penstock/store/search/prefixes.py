"""The prefixes of ordered values: ``ge2024-01-01``, ``lt5.4`` (http://hl7.org/fhir/R4/search.html#prefix)."""

from __future__ import annotations

PREFIXES = frozenset(("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"))
#: Those that leave few values; the others have an open side.
NARROW = frozenset(("eq", "ap"))


def cut(value: str) -> tuple[str, str]:
    """(prefix, value); ``eq`` where none is written."""
    return (value[:2], value[2:]) if value[:2] in PREFIXES else ("eq", value)
