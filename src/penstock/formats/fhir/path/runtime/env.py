"""What surrounds an expression: the resource it is about, variables, and who answers what only others know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.path.runtime.items import Item, given, plain
from penstock.formats.fhir.path.runtime.temporal import Temporal, at

Resource = dict[str, Any]

STRUCTURE = "http://hl7.org/fhir/StructureDefinition/"
#: What one evaluation may cost, in items visited and characters made.
MAX_STEPS = 2_000_000


def _nothing(reference: str) -> Resource | None:
    return None


def _unknown(value: Any, url: str) -> bool | None:
    return None


def _incomparable(above: Any, below: Any) -> bool | None:
    return None


def _unheard(name: str, items: list[Any]) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Env:
    """``resource`` is the resource that holds the focus, ``root`` the one that holds it as contained; both are the focus by default.

    ``resolve`` gives the resource of a reference (contained ones and entries of a Bundle are found without it), ``member_of`` says whether
    a code, Coding or CodeableConcept is in a value set, ``subsumes`` whether the first of two Codings or CodeableConcepts is the other or
    above it, ``conforms_to`` whether data follow a profile: None means that it is not known.
    ``now`` is the moment that ``now()`` and ``today()`` give. ``trace`` hears what ``trace()`` says. ``steps`` bounds the work.
    """

    resource: Resource | None = None
    root: Resource | None = None
    resolve: Callable[[str], Resource | None] = _nothing
    member_of: Callable[[Any, str], bool | None] = _unknown
    conforms_to: Callable[[Any, str], bool | None] = _unknown
    subsumes: Callable[[Any, Any], bool | None] = _incomparable
    variables: Mapping[str, Any] = field(default_factory=dict)
    now: datetime | None = None
    trace: Callable[[str, list[Any]], None] = _unheard
    steps: int = MAX_STEPS


NOWHERE = Env()


class Run:
    """One evaluation: its environment and what it may still cost."""

    __slots__ = ("_left", "entries", "env", "focus")

    #: The entries of the Bundle that the root is, by URL, once something was looked for there.
    entries: dict[str, Resource] | None

    def __init__(self, env: Env, focus: Any) -> None:
        self.env = env
        self.focus = focus
        self.entries = None
        self._left = env.steps

    def spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise Problem("too-costly", "the expression takes too much work on this data")

    @property
    def resource(self) -> Any:
        return self.focus if self.env.resource is None else self.env.resource

    @property
    def root(self) -> Any:
        return self.resource if self.env.root is None else self.env.root

    def variable(self, name: str) -> list[Any]:
        if name not in self.env.variables:
            raise Problem("invalid", "the expression uses a variable that is not defined")
        return given(self.env.variables[name])

    @property
    def listens(self) -> bool:
        return self.env.trace is not _unheard

    def tell(self, name: str, items: Iterable[Any]) -> None:
        self.env.trace(name, [plain(item) for item in items])

    def now(self) -> Temporal:
        if self.env.now is None:
            raise Problem("not-supported", "the time is not known here")
        return at(self.env.now)

    def today(self) -> Temporal:
        return Temporal("Date", self.now().parts[:3])

    def time_of_day(self) -> Temporal:
        moment = self.now()
        return Temporal("Time", moment.parts[3:], moment.fraction)

    def conforms(self, item: Any, type: str, profile: str) -> bool:
        """R4's own types are known here; for other profiles somebody else is asked."""
        name = profile.removeprefix(STRUCTURE)
        if name != profile and r4().type(name):
            return name in r4().ancestors(item.type if isinstance(item, Item) else type)
        found = self.env.conforms_to(item.value if isinstance(item, Item) else item, profile)
        if found is None:
            raise Problem("not-found", "the expression names a profile that is not known here")
        return found
