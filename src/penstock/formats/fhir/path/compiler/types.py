"""Names of types, and what is one (http://hl7.org/fhirpath/N1/#types-and-reflection). A name without a namespace is FHIR's first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.path.runtime.items import Item, line, system_type

if TYPE_CHECKING:
    from penstock.formats.fhir.path.compiler.builder import Builder

SYSTEM = frozenset(("Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity", "Any"))

Wanted = tuple[str, str]


def resolve(b: Builder, name: str) -> Wanted:
    """(namespace, name) of a type. What claims to be of System is believed: nothing has such a type."""
    if name.startswith("System."):
        return "System", name.removeprefix("System.")
    if r4().type(name) is not None:
        return "FHIR", name
    if name in SYSTEM:
        return "System", name
    raise b.problem("the expression names a type that R4 does not have")


def fits(type: str, wanted: Wanted) -> bool:
    """As ``as`` and ``ofType`` mean it: a primitive has its own type only, a complex one also those that it specialises."""
    space, name = wanted
    if type.startswith("System."):
        plain = type.removeprefix("System.")
        return plain == name and (space == "System" or name == "Quantity")
    if space == "System":
        return False
    definition = r4().type(type)
    return type == name or (definition is not None and definition.kind != "primitive" and name in line(type))


def is_a(item: Any, wanted: Wanted) -> bool:
    """As ``is`` means it: what specialises a type is one."""
    space, name = wanted
    if type(item) is Item:
        return space == "FHIR" and name in line(item.type)
    return item is not None and system_type(item) == name and (space == "System" or name == "Quantity")


def info(item: Any, type: str | None) -> dict[str, str]:
    """What ``type()`` says of an item. A backbone element has no name of its own."""
    kind = item.type if isinstance(item, Item) else type
    if kind is None or kind.startswith("System."):
        return {"namespace": "System", "name": system_type(item), "baseType": "System.Any"}
    above = r4().ancestors(kind)
    if "." in kind:
        return {"namespace": "FHIR", "name": above[1], "baseType": f"FHIR.{above[2]}"}
    return {"namespace": "FHIR", "name": kind, "baseType": f"FHIR.{above[1]}" if len(above) > 1 else "System.Any"}
