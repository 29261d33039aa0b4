"""The abstract syntax of FHIRPath (http://hl7.org/fhirpath/N1/). Immutable and hashable, so that equal expressions compile once."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant; ``kind`` is String, Boolean, Integer, Decimal, Date, DateTime or Time. The temporal ones keep their text."""

    kind: str
    value: str | bool | int | Decimal


@dataclass(frozen=True, slots=True)
class Quantity:
    value: Decimal
    unit: str


@dataclass(frozen=True, slots=True)
class Empty:
    """``{}``"""


@dataclass(frozen=True, slots=True)
class Variable:
    """``$this``, ``$index``, ``$total``"""

    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """``%resource``, ``%context``, ``%'vs-name'``"""

    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """``source.name``; without a source it starts at the context."""

    source: Node | None
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """``source.name(arguments)``; without a source it starts at the context."""

    source: Node | None
    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """``source[place]``"""

    source: Node
    place: Node


@dataclass(frozen=True, slots=True)
class Unary:
    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary:
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class TypeTest:
    """``operand is type`` and ``operand as type``; ``type`` has lost its ``FHIR.``, a ``System.`` stays."""

    operator: str
    operand: Node
    type: str


Node = Literal | Quantity | Empty | Variable | Constant | Member | Call | Index | Unary | Binary | TypeTest
