"""What flows through a compiled expression.

A collection of one known type holds plain JSON values and values of System. Where only the data tells the type (a choice, a contained
resource, ``descendants()``), and where a primitive has an id or extensions beside it, an :class:`Item` holds the value with what belongs
to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.path.runtime.quantity import Quantity, of_fhir, to_fhir
from penstock.formats.fhir.path.runtime.temporal import Temporal, read

Truth = bool | None
#: At most one item, or None; and any number of them.
One = Any
Many = Sequence[Any]


class Item:
    """A FHIR value of a type; ``extra`` is the ``_sibling`` of a primitive, ``parent`` and ``key`` say where it was found."""

    __slots__ = ("extra", "key", "parent", "type", "value")

    def __init__(
        self, value: Any, type: str, extra: dict[str, Any] | None = None, parent: Item | None = None, key: tuple[str | int, ...] = ()
    ) -> None:
        self.value = value
        self.type = type
        self.extra = extra
        self.parent = parent
        self.key = key

    @property
    def origin(self) -> Item:
        """What it was found in, in the end."""
        item = self
        while item.parent is not None:
            item = item.parent
        return item

    @property
    def place(self) -> tuple[str | int, ...]:
        """The way to it from where the expression began."""
        return (*self.parent.place, *self.key) if self.parent else self.key


def decimal(value: Any) -> Any:
    """JSON may write a decimal without a point."""
    return Decimal(str(value)) if type(value) in (int, float) else value


def temporal(kind: str) -> Callable[[Any], Any]:
    def system(value: Any) -> Any:
        """What is no date stays a text."""
        return (read(kind, value) or value) if type(value) is str else value

    return system


def measured(value: Any) -> Any:
    """A FHIR Quantity without a value, or with a comparator, stays what it is."""
    return of_fhir(value) or value


#: FHIR types to what reads one as a value of System, where that is not the JSON value itself.
READERS: dict[str, Callable[[Any], Any]] = {
    "decimal": decimal,
    "date": temporal("Date"),
    "dateTime": temporal("DateTime"),
    "instant": temporal("DateTime"),
    "time": temporal("Time"),
    **dict.fromkeys(("Quantity", "Age", "Count", "Distance", "Duration"), measured),
}

#: Python's types to those of System.
SYSTEM_TYPES: dict[type, str] = {bool: "Boolean", int: "Integer", Decimal: "Decimal", float: "Decimal", str: "String", Quantity: "Quantity"}


def system(item: Any) -> Any:
    """An item as a value of System, or as the data of a complex type; None for a primitive that only has extensions."""
    if type(item) is not Item:
        return item
    reader = READERS.get(item.type)
    return reader(item.value) if reader and item.value is not None else item.value


def systems(items: Iterable[Any]) -> list[Any]:
    return [value for item in items if (value := system(item)) is not None]


def bare(item: Any) -> Any:
    """The JSON value of what may be an Item."""
    return item.value if type(item) is Item else item


def bares(items: Iterable[Any]) -> list[Any]:
    return [value for item in items if (value := bare(item)) is not None]


def plain(item: Any) -> Any:
    """What a caller gets: JSON, with System's dates as text and its quantities as FHIR writes them."""
    value = bare(item)
    if type(value) is Temporal:
        return str(value)
    return to_fhir(value) if type(value) is Quantity else value


def system_type(value: Any) -> str:
    if type(value) is Temporal:
        return value.kind
    return SYSTEM_TYPES.get(type(value), "Any")


def boxed(value: Any, type: str) -> Any:
    """An item that tells its type; the values of System do so already."""
    return value if value.__class__ is Item or type.startswith("System.") else Item(value, type)


def boxes(values: Iterable[Any], type: str) -> Iterable[Any]:
    return values if type.startswith("System.") else [boxed(value, type) for value in values]


def resource(value: Any, parent: Item | None = None, key: tuple[str | int, ...] = ()) -> Item:
    """A resource of whatever type it says."""
    name = value.get("resourceType") if isinstance(value, dict) else None
    known = isinstance(name, str) and name in r4().resource_types
    return Item(value, str(name) if known else "Resource", None, parent, key)


def given(value: Any) -> list[Any]:
    """What a caller gives for a ``%variable``: items, resources, values of System, or a list of them."""
    if isinstance(value, (list, tuple)):
        return [item for each in value for item in given(each)]
    if value is None:
        return []
    return [resource(value) if isinstance(value, dict) else value]


@cache
def line(type: str) -> frozenset[str]:
    """The type and all that it specialises."""
    return frozenset((type, *r4().ancestors(type)))


def only(items: Many) -> One:
    """Singleton evaluation (http://hl7.org/fhirpath/N1/#singleton-evaluation-of-collections)."""
    if len(items) > 1:
        raise Problem("invalid", "one item is expected where the expression found several")
    return items[0] if items else None


def truth(item: One) -> Truth:
    """One boolean is itself, one item of another kind is true; a primitive that only has extensions says nothing."""
    value = bare(item)
    if type(value) is bool:
        return value
    return None if value is None else True


def truth_of(items: Many) -> Truth:
    return truth(only(items))
