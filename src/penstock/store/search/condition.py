"""What a resource must satisfy: criteria, put together by *and*, *or* and *not*, and by references to other resources.

Reading a query gives these; ``link`` replaces a :class:`Chain` or :class:`Has` by what it came to, ``compile`` makes SQL of the
result, and ``match`` decides it in memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from penstock.store.search.criterion import Criterion


@dataclass(frozen=True, slots=True)
class And:
    """Every part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One of the parts holds; without parts, nothing satisfies it."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Condition


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison of ``_filter`` that no criterion is the same as: one of the parameter's values passes the ``operator``'s test.

    ``near`` is the criterion that is nearest to it: for ``ne`` what must not hold of a value, else one that finds at least as much.
    """

    param: str
    kind: str
    operator: str
    value: str
    near: Criterion | None


@dataclass(frozen=True, slots=True)
class Chain:
    """A reference by ``param`` points at a resource that satisfies the condition of its type (search.html#chaining)."""

    param: str
    inner: tuple[tuple[str, Condition], ...]


@dataclass(frozen=True, slots=True)
class Has:
    """A resource of type ``source`` that satisfies ``inner`` points here by its parameter ``param`` (search.html#has)."""

    source: str
    param: str
    inner: Condition


@dataclass(frozen=True, slots=True)
class Open:
    """A link that is decided on candidates, a batch at a time, because many resources satisfy its inner side."""

    link: Chain | Has


@dataclass(frozen=True, slots=True)
class Joined:
    """The same where the patient column lets SQL decide it: ``mine`` (pat or self) of the row is among ``theirs`` of ``type``."""

    link: Chain | Has
    mine: str
    type: str
    theirs: str
    inner: Condition


@dataclass(frozen=True, slots=True)
class Selves:
    """The resource is one of these, by the hash of its identity."""

    tenant: str
    hashes: frozenset[int]


@dataclass(frozen=True, slots=True)
class Inside:
    """The resource is in the compartment that an access is bound to: its patient column is ``pat``, or it has one of the tokens."""

    pat: int | None
    tokens: tuple[int, ...]


Condition = Criterion | And | Or | Not | Compared | Chain | Has | Open | Joined | Selves | Inside

NEVER = Or(())


def links(condition: Condition) -> list[Open | Joined]:
    """Every link of a condition that is decided on candidates, where it is decided in memory."""
    match condition:
        case Open() | Joined():
            return [condition]
        case And(parts) | Or(parts):
            return [link for part in parts for link in links(part)]
        case Not(part):
            return links(part)
    return []


def is_alone(condition: Condition) -> bool:
    """Whether the resource alone decides a condition, without any other resource."""
    match condition:
        case And(parts) | Or(parts):
            return all(map(is_alone, parts))
        case Not(part):
            return is_alone(part)
    return not isinstance(condition, Chain | Has | Open | Joined)
