"""The abstract syntax of FHIRPath (http://hl7.org/fhirpath/N1/). Immutable and hashable, so that equal expressions compile once.

``place`` is where a node begins in the text, for messages; it is no part of what the node means.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant; ``kind`` is String, Boolean, Integer, Decimal, Date, DateTime or Time. The temporal ones keep their text."""

    kind: str
    value: str | bool | int | Decimal
    place: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with a unit of UCUM or of the calendar."""

    value: Decimal
    unit: str
    place: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Empty:
    """``{}``"""

    place: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Variable:
    """``$this``, ``$index``, ``$total``"""

    name: str
    place: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Constant:
    """``%resource``, ``%context``, ``%'vs-name'``"""

    name: str
    place: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Member:
    """``source.name``; without a source it starts at the context."""

    source: Node | None
    name: str
    place: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """``source.name(arguments)``; without a source it starts at the context."""

    source: Node | None
    name: str
    arguments: tuple[Node, ...]
    place: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Index:
    """``source[at]``"""

    source: Node
    at: Node
    place: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Unary:
    operator: str
    operand: Node
    place: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Binary:
    operator: str
    left: Node
    right: Node
    place: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class TypeTest:
    """``operand is type`` and ``operand as type``; ``type`` has lost its ``FHIR.``, a ``System.`` stays."""

    operator: str
    operand: Node
    type: str
    place: int = field(default=0, compare=False)


Node = Literal | Quantity | Empty | Variable | Constant | Member | Call | Index | Unary | Binary | TypeTest
