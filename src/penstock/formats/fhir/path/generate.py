"""Flows to Python source: straight walks to values of one type each, as search needs them.

Flows that begin alike share the code for what they have in common. Conditions and whatever else is no walk are programs of their own
(:mod:`program`), but for the plainest ones, which are one comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from penstock.formats.fhir.path.compiler.writer import Writer
from penstock.formats.fhir.path.flow import Compute, Flow, Get, GetAny, OfType, Pick, Step, Where, WithUrl, flows
from penstock.formats.fhir.path.nodes import Binary, Call, Literal, Member, Node, TypeTest
from penstock.formats.fhir.path.program import of_node
from penstock.formats.fhir.path.runtime.tree import items, refers

__all__ = ["Consumer", "Writer", "emit"]

#: Writes the code for one item: given the writer, the name that holds it, and its type.
Consumer = Callable[["Writer", str, str], None]


class _Branch:
    """A place in the walk: what happens with an item here, and where it goes on."""

    def __init__(self) -> None:
        self.consumers: list[tuple[Consumer, str]] = []
        self.next: dict[Step, _Branch] = {}


def emit(writer: Writer, holder: str, walks: Iterable[tuple[Flow, Consumer]]) -> None:
    """Write the code that takes what ``holder`` names through all flows, handing each item that arrives to its consumer."""
    root = _Branch()
    for flow, consumer in walks:
        place = root
        for step in flow.steps:
            place = place.next.setdefault(step, _Branch())
        place.consumers.append((consumer, flow.type))
    _emit(writer, holder, root)


def _emit(writer: Writer, holder: str, branch: _Branch) -> None:
    for consumer, type in branch.consumers:
        consumer(writer, holder, type)
    for step, following in branch.next.items():
        _step(writer, holder, step, following)


def _step(writer: Writer, holder: str, step: Step, following: _Branch) -> None:
    match step:
        case Get(name, many, bare):
            value = writer.fresh()
            with writer.block(f"if ({value} := {holder}.get({name!r})) is not None:"):
                _values(writer, value, many, bare, following)
        case GetAny(name):
            _loop(writer, f"{writer.use(items)}({holder}, {writer.constant(name)})", following)
        case Where(condition, type):
            with writer.block(f"if {_condition(writer, condition, holder, type)}:"):
                _emit(writer, holder, following)
        case WithUrl(url):
            value = writer.fresh()
            with (
                writer.block(f"for {value} in {holder}.get('extension') or ():"),
                writer.block(f"if {value}.get('url') == {writer.constant(url)}:"),
            ):
                _emit(writer, value, following)
        case OfType(type):
            with writer.block(f"if {holder}.get('resourceType') == {type!r}:"):
                _emit(writer, holder, following)
        case Pick():
            _pick(writer, holder, step, following)
        case Compute(node, type):
            _loop(writer, f"{writer.constant(of_node(node, type))}({holder})", following)


def _values(writer: Writer, value: str, many: bool, bare: bool, following: _Branch) -> None:
    if not many:
        _emit(writer, value, following)
        return
    item = writer.fresh()
    with writer.block(f"for {item} in {value}:"):
        if bare:
            with writer.block(f"if {item} is not None:"):
                _emit(writer, item, following)
        else:
            _emit(writer, item, following)


def _loop(writer: Writer, collection: str, following: _Branch) -> None:
    item = writer.fresh()
    with writer.block(f"for {item} in {collection}:"):
        _emit(writer, item, following)


def _pick(writer: Writer, holder: str, step: Pick, following: _Branch) -> None:
    """Gather everything with the number of its flow, then take one."""
    gathered, value = writer.fresh("all"), writer.fresh()
    writer.line(f"{gathered} = []")
    inner = flows(step.source, step.type)
    emit(writer, holder, [(flow, _gather(gathered, number)) for number, flow in enumerate(inner)])
    enough = gathered if step.place < 0 else f"len({gathered}) > {step.place}"
    with writer.block(f"if {enough} and {gathered}[{step.place}][0] == {step.flow}:"):
        writer.line(f"{value} = {gathered}[{step.place}][1]")
        _emit(writer, value, following)


def _gather(name: str, number: int) -> Consumer:
    return lambda writer, value, _: writer.line(f"{name}.append(({number}, {value}))")


def _condition(writer: Writer, node: Node, holder: str, type: str) -> str:
    """Python that is true where the condition is."""
    match node:
        case Binary("and", left, right):
            return f"({_condition(writer, left, holder, type)} and {_condition(writer, right, holder, type)})"
        case Binary("or", left, right):
            return f"({_condition(writer, left, holder, type)} or {_condition(writer, right, holder, type)})"
        case TypeTest("is", Call(None, "resolve", ()), wanted):
            return f"{writer.use(refers)}({holder}, {writer.constant(wanted)})"
        case Binary("=", Member(None) as left, Literal("String" | "Boolean", value)) if property := _single(left, type):
            return f"{holder}.get({property!r}) == {writer.constant(value)}"
    return f"{writer.constant(of_node(node, type).true)}({holder}) is True"


def _single(node: Node, type: str) -> str | None:
    """The JSON name of a plain property that holds one value."""
    found = flows(node, type)
    if len(found) == 1 and len(found[0].steps) == 1 and isinstance(step := found[0].steps[0], Get) and not step.many:
        return step.name
    return None
