"""What the compiler makes and the engine runs: the plan, its structures, the steps of each node, and the references between resources."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock.convert.codes import Codes
from penstock.convert.grammar import Grammar, Label
from penstock.convert.memory import Memories
from penstock.convert.rows import Tables
from penstock.convert.run import Run
from penstock.convert.shifts import Order
from penstock.errors import Problem

Fill = Callable[..., None]
Check = Callable[[Run, list[str], int], tuple[bool, ...]]
#: the label of a part that means all of them
EVERY = "all"


@dataclass(frozen=True, slots=True)
class Reference:
    """`Encounter[1].subject = Patient[1]`; or, with `text`, a constant beside such a reference."""

    rule: str
    target: Label
    names: tuple[str, ...]
    many: tuple[bool, ...]
    last: str
    spelled: str
    to: Label = ("", "")
    text: str = ""
    #: whether it leads from, or to, the very resource that the row fills
    from_own: bool = False
    to_own: bool = False
    #: the one element on the way, when it does not repeat, and the path of what is set there
    plain: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """An element of a resource that a segment fills: several segments fill the same one by its label, as they do resources.

    A label may be a field (`education[OBX-4]`): then it is the same one for all segments that have the same text there.
    """

    many: bool
    label: str

    @property
    def every(self) -> bool:
        """Whether it means each such part that the message makes: then it is filled when all the others are there."""
        return self.label == EVERY

    @property
    def field(self) -> int:
        return int(self.label.partition("-")[2] or 0)


@dataclass(frozen=True, slots=True)
class Step:
    """One message row: when its condition holds, the segment fills that resource by that function."""

    rule: str
    target: Label
    fill: Fill
    map: str
    references: tuple[Reference, ...]
    condition: str = ""
    #: fills only what another segment has created
    joins: bool = False
    #: the element that the row names: the segment adds an entry to it and does not count as the maker of the resource
    adds: str = ""
    #: the same element, where the map fills its type and not that of the resource
    part: Part | None = None
    #: what the remainder says of a segment for which no row's condition held
    reason: str = ""
    #: what is done to records beyond describing them
    orders: tuple[Order, ...] = ()

    @property
    def type(self) -> str:
        return self.target[0]

    @property
    def every(self) -> bool:
        """Whether it means each such resource of its group: then they are filled when all of them are there."""
        return self.target[1] == EVERY


@dataclass(frozen=True, slots=True)
class Structure:
    """A compiled message structure: its grammar, and the steps of each node."""

    name: str
    grammar: Grammar
    steps: Mapping[int, tuple[Step, ...]]
    #: by node: which of its steps' conditions hold for a segment; a node without conditions has none
    checks: Mapping[int, Check]
    #: by node of a segment: the names by which conditions look for it inside a group (`ENCODING.RXR`)
    grouped: Mapping[int, tuple[str, ...]]
    #: whether a step has orders
    shifts: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a conversion needs, compiled. `version` is the hash of all rows and codes."""

    version: str
    codes: Codes
    structures: Mapping[str, Structure]
    tables: Tables
    problems: Mapping[str, Sequence[Problem]] = field(default_factory=dict)
    #: the ids of all rows that are in the compiled code
    rules: frozenset[str] = frozenset()
    reasons: dict[tuple[str, int, tuple[bool, ...]], Any] = field(default_factory=dict)
    memories: Memories = field(default_factory=Memories)
