"""What an expression walks through: its syntax tree, typed against the definitions, as straight *flows* of steps.

A path over a choice or a union splits into several flows, each ending in one type. Flows share their first steps, which the generator
then emits once. Whatever is not a walk (comparisons, counting, …) is one :class:`Compute` step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from penstock.errors import Problem
from penstock.formats.fhir.definitions import Element, r4
from penstock.formats.fhir.path.compiler.values import NOTHING
from penstock.formats.fhir.path.nodes import Binary, Call, Constant, Empty, Index, Literal, Member, Node, TypeTest, Unary, Variable
from penstock.formats.fhir.path.program import of_node

#: The type of something that only the data tells: a contained resource, the value of a Parameters entry.
ANY = "Resource"

#: A choice inside a choice multiplies; the search parameters of R4 need 20.
MOST_FLOWS = 1000


@dataclass(frozen=True, slots=True)
class Get:
    """The values of a JSON property: ``many`` when it holds a list, ``bare`` when its entries may be null (primitives)."""

    name: str
    many: bool
    bare: bool


@dataclass(frozen=True, slots=True)
class GetAny:
    """The values of a property of something whose type only the data tells."""

    name: str


@dataclass(frozen=True, slots=True)
class Where:
    """Keep what the condition, read at ``type``, is true for."""

    condition: Node
    type: str


@dataclass(frozen=True, slots=True)
class WithUrl:
    """The extensions of this URL."""

    url: str


@dataclass(frozen=True, slots=True)
class OfType:
    """Keep resources of a type."""

    type: str


@dataclass(frozen=True, slots=True)
class Pick:
    """One item of everything that ``source`` gives at ``type``; of its flows, only what came through number ``flow`` is passed on."""

    source: Node
    type: str
    place: int
    flow: int


@dataclass(frozen=True, slots=True)
class Compute:
    """The values of an operator or function, read at ``type``."""

    node: Node
    type: str


Step = Get | GetAny | Where | WithUrl | OfType | Pick | Compute


class Flow(NamedTuple):
    """Steps from the context to items of one type."""

    steps: tuple[Step, ...]
    type: str


def flows(node: Node | None, type: str) -> tuple[Flow, ...]:
    """All flows of an expression read at something of ``type``; none when it can never give anything."""
    found = _flows(node, type)
    if len(found) > MOST_FLOWS:
        raise Problem("too-costly", "the expression can mean too many different types")
    return found


def _flows(node: Node | None, type: str) -> tuple[Flow, ...]:
    match node:
        case None | Variable("$this"):
            return (Flow((), type),)
        case Empty():
            return ()
        case Member(source, name):
            return _member(source, name, type)
        case Call(source, name, arguments) if name in _WALKS:
            return _WALKS[name](source, arguments, type)
        case Index(source, place):
            return _picked(source, _integer(place), type)
        case TypeTest("as", operand, wanted):
            return _of_type(operand, wanted, type)
        case Binary("|", left, right):
            return flows(left, type) + flows(right, type)
        case Binary() | Call() | TypeTest() | Literal() | Unary() | Constant():
            return _computed(node, type)
    raise Problem("not-supported", "this part of FHIRPath is not supported")


def _member(source: Node | None, name: str, type: str) -> tuple[Flow, ...]:
    if source is None and name[:1].isupper():
        return _context(name, type)
    before = flows(source, type)
    found = tuple(longer for flow in before for longer in _property(flow, name))
    if before and not found:
        raise Problem("invalid", "the expression names an element that R4 does not have there")
    return found


def _context(name: str, type: str) -> tuple[Flow, ...]:
    """A path may begin with the type it is about; for another resource type it gives nothing."""
    if name in r4().ancestors(type):
        return (Flow((), type),)
    if type == ANY and name in r4().resource_types:
        return (Flow((OfType(name),), name),)
    if name in r4().resource_types:
        return ()
    raise Problem("invalid", "the expression begins with a type that R4 does not have")


def _property(flow: Flow, name: str) -> tuple[Flow, ...]:
    """None where this type has no such element: another type of the same choice may have it."""
    if flow.type == ANY:
        return (Flow((*flow.steps, GetAny(name)), ANY),)
    definition = r4().type(flow.type)
    if definition and definition.kind == "primitive" and name in ("extension", "id"):
        return _property(_beside(flow), name)
    element = definition.elements.get(name) if definition else None
    found: tuple[Element, ...] = ()
    if definition and name in definition.choices:
        found = definition.variants(name)
    elif element and element.choice is None and not element.sibling:
        found = (element,)
    return tuple(Flow((*flow.steps, Get(each.name, each.many, each.primitive and each.many)), each.type) for each in found)


def _where(source: Node | None, arguments: tuple[Node, ...], type: str) -> tuple[Flow, ...]:
    (condition,) = _exactly(1, arguments)
    return tuple(Flow((*flow.steps, Where(condition, flow.type)), flow.type) for flow in flows(source, type))


def _extension(source: Node | None, arguments: tuple[Node, ...], type: str) -> tuple[Flow, ...]:
    (url,) = _exactly(1, arguments)
    if not isinstance(url, Literal) or not isinstance(url.value, str):
        raise Problem("not-supported", "extension() takes a URL in quotes")
    return tuple(Flow((*_holding(flow).steps, WithUrl(url.value)), "Extension") for flow in flows(source, type))


def _holding(flow: Flow) -> Flow:
    """The flow to what holds the extensions of its items."""
    definition = r4().type(flow.type)
    return _beside(flow) if definition and definition.kind == "primitive" else flow


def _beside(flow: Flow) -> Flow:
    """The id and extensions of a primitive lie beside it in JSON."""
    last = flow.steps[-1] if flow.steps else None
    if not isinstance(last, Get):
        raise Problem("not-supported", "the extensions and id of what is left of a path's primitives are not supported")
    return Flow((*flow.steps[:-1], Get(f"_{last.name}", last.many, True)), "Element")


def _of_type_call(source: Node | None, arguments: tuple[Node, ...], type: str) -> tuple[Flow, ...]:
    (wanted,) = _exactly(1, arguments)
    return _of_type(source, type_name(wanted), type)


def type_name(node: Node) -> str:
    """The type that an argument names: ``Quantity``, ``FHIR.Quantity``, ``System.String``."""
    match node:
        case Member(None, name):
            return name
        case Member(Member(None, space), name):
            return name if space == "FHIR" else f"{space}.{name}"
    raise Problem("invalid", "a type is expected here")


def _of_type(source: Node | None, wanted: str, type: str) -> tuple[Flow, ...]:
    found = []
    for flow in flows(source, type):
        if wanted in r4().ancestors(flow.type) or wanted == flow.type:
            found.append(flow)
        elif flow.type == ANY and wanted in r4().resource_types:
            found.append(Flow((*flow.steps, OfType(wanted)), wanted))
    if r4().type(wanted) is None and not wanted.startswith("System."):
        raise Problem("invalid", "the expression names a type that R4 does not have")
    return tuple(found)


def _select(source: Node | None, arguments: tuple[Node, ...], type: str) -> tuple[Flow, ...]:
    (projection,) = _exactly(1, arguments)
    before = flows(source, type)
    return tuple(Flow((*flow.steps, *inner.steps), inner.type) for flow in before for inner in flows(projection, flow.type))


def _union(source: Node | None, arguments: tuple[Node, ...], type: str) -> tuple[Flow, ...]:
    (other,) = _exactly(1, arguments)
    return flows(source, type) + flows(other, type)


def _unchanged(source: Node | None, arguments: tuple[Node, ...], type: str) -> tuple[Flow, ...]:
    """What search does not tell apart: it finds a value once, in no order."""
    return flows(source, type)


def _first(source: Node | None, arguments: tuple[Node, ...], type: str) -> tuple[Flow, ...]:
    _exactly(0, arguments)
    return _picked(source, 0, type)


def _last(source: Node | None, arguments: tuple[Node, ...], type: str) -> tuple[Flow, ...]:
    _exactly(0, arguments)
    return _picked(source, -1, type)


def _picked(source: Node | None, place: int, type: str) -> tuple[Flow, ...]:
    inner = flows(source, type)
    if source is None:
        return inner
    return tuple(Flow((Pick(source, type, place, number),), flow.type) for number, flow in enumerate(inner))


def _integer(node: Node) -> int:
    if isinstance(node, Literal) and type(node.value) is int:
        return node.value
    raise Problem("not-supported", "an index is a number")


def _exactly(count: int, arguments: tuple[Node, ...]) -> tuple[Node, ...]:
    if len(arguments) != count:
        raise Problem("invalid", "a function has too many or too few arguments")
    return arguments


def _computed(node: Node, type: str) -> tuple[Flow, ...]:
    """What is no walk, as far as its type is known before it runs."""
    gives = of_node(node, type).gives
    if gives is None:
        raise Problem("not-supported", "the expression gives values of types that only the data tell")
    return () if gives == NOTHING else (Flow((Compute(node, type),), gives),)


_WALKS = {
    "where": _where,
    "select": _select,
    "union": _union,
    "combine": _union,
    "distinct": _unchanged,
    "sort": _unchanged,
    "trace": _unchanged,
    "extension": _extension,
    "ofType": _of_type_call,
    "as": _of_type_call,
    "first": _first,
    "last": _last,
}
