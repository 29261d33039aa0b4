"""Flows to Python source.

The source holds only names of ours, property names from the definitions, and constants that it refers to as ``k0``, ``k1``, …: no text
of an expression reaches the compiler of Python. Flows that begin alike share the code for what they have in common.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.path import functions
from penstock.formats.fhir.path.flow import Compute, Flow, Get, GetAny, OfType, Pick, Step, Where, WithUrl, flows, type_name
from penstock.formats.fhir.path.nodes import Binary, Call, Literal, Member, Node, Quantity, TypeTest, Variable

#: Writes the code for one item: given the writer, the name that holds it, and its type.
Consumer = Callable[["Writer", str, str], None]

#: Loops in loops, and blocks in blocks; Python itself allows 20 and 100.
MAX_LOOPS = 15
MAX_BLOCKS = 80

_LOGIC = {"and": "both", "or": "either", "xor": "one_only", "implies": "implies"}
_EQUALITY = {"=": "equal", "!=": "unequal"}


class Writer:
    """Source under construction: lines, fresh names, constants."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {
            name: getattr(functions, name)
            for name in ("both", "either", "one_only", "implies", "negated", "truth", "equal", "unequal", "items", "refers", "distinct")
        }
        self._depth = 1
        self._loops = 0
        self._fresh = 0

    def line(self, text: str) -> None:
        self.lines.append("    " * self._depth + text)

    def block(self, text: str) -> _Block:
        """``with writer.block("if x:"):`` indents what follows."""
        self.line(text)
        return _Block(self, loop=text.startswith("for "))

    def fresh(self, prefix: str = "v") -> str:
        self._fresh += 1
        return f"{prefix}{self._fresh}"

    def constant(self, value: Any) -> str:
        name = self.fresh("k")
        self.names[name] = value
        return name

    def function(self, name: str, parameters: str) -> Callable[..., Any]:
        """Compile what was written into a function."""
        source = "\n".join([f"def {name}({parameters}):", *(self.lines or ["    pass"])])
        exec(compile(source, f"<{name}>", "exec"), self.names)  # noqa: S102  this source is ours alone, see above
        made: Callable[..., Any] = self.names[name]
        return made

    def enter(self, loop: bool) -> None:
        self._depth += 1
        self._loops += loop
        if self._loops > MAX_LOOPS or self._depth > MAX_BLOCKS:
            raise Problem("too-costly", "the expression walks through too many levels")

    def leave(self, loop: bool) -> None:
        self._depth -= 1
        self._loops -= loop


class _Block:
    def __init__(self, writer: Writer, loop: bool) -> None:
        self._writer, self._loop = writer, loop

    def __enter__(self) -> None:
        self._writer.enter(self._loop)

    def __exit__(self, *_: object) -> None:
        self._writer.leave(self._loop)


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
            _loop(writer, f"items({holder}, {writer.constant(name)})", following)
        case Where(condition, type):
            with writer.block(f"if {expression(writer, condition, holder, type)} is True:"):
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
            value = writer.fresh()
            with writer.block(f"if ({value} := {expression(writer, node, holder, type)}) is not None:"):
                _emit(writer, value, following)


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
    with (
        writer.block(f"if {enough} and {gathered}[{step.place}][0] == {step.flow}:"),
    ):
        writer.line(f"{value} = {gathered}[{step.place}][1]")
        _emit(writer, value, following)


def _gather(name: str, number: int) -> Consumer:
    return lambda writer, value, _: writer.line(f"{name}.append(({number}, {value}))")


def _append(name: str) -> Consumer:
    return lambda writer, value, _: writer.line(f"{name}.append({value})")


def collect(writer: Writer, node: Node | None, holder: str, type: str) -> str:
    """Write code that gathers all items of an expression; returns the name of the list."""
    name = writer.fresh("all")
    writer.line(f"{name} = []")
    emit(writer, holder, [(flow, _append(name)) for flow in flows(node, type)])
    if isinstance(node, Binary) and node.operator == "|":
        writer.line(f"{name} = distinct({name})")
    return name


def expression(writer: Writer, node: Node, holder: str, type: str) -> str:
    """Write what comes before, and return a Python expression for the one value of an operator or function (None is empty)."""
    match node:
        case Literal(kind, value) if kind in ("String", "Boolean", "Integer", "Decimal"):
            return writer.constant(value)
        case Binary(operator, left, right) if operator in _LOGIC:
            first, second = _truth(writer, left, holder, type), _truth(writer, right, holder, type)
            return f"{_LOGIC[operator]}({first}, {second})"
        case Binary(operator, left, right) if operator in _EQUALITY:
            return _equality(writer, node, holder, type)
        case TypeTest("is", Call(source, "resolve", ()), wanted):
            return _refers(writer, source, wanted, holder, type)
        case TypeTest("is", operand, wanted):
            return _is(writer, operand, wanted, holder, type)
        case Call(source, name, arguments) if name in _FUNCTIONS:
            return _FUNCTIONS[name](writer, source, arguments, holder, type)
        case Member() | Variable():
            return f"truth({collect(writer, node, holder, type)})"
        case Quantity():
            raise Problem("not-supported", "quantities in an expression are not supported")
        case Call():
            raise Problem("not-supported", "the expression uses a function that is not supported")
    raise Problem("not-supported", "the expression uses an operator that is not supported")


def _equality(writer: Writer, node: Binary, holder: str, type: str) -> str:
    """A single plain property against a constant, as most conditions are, is one comparison."""
    constant = node.right.value if isinstance(node.right, Literal) and node.right.kind in ("String", "Boolean") else None
    found = flows(node.left, type) if constant is not None else ()
    if len(found) == 1 and len(found[0].steps) == 1 and isinstance(step := found[0].steps[0], Get) and not step.many:
        value = writer.fresh()
        sign = "==" if node.operator == "=" else "!="
        return f"(None if ({value} := {holder}.get({step.name!r})) is None else {value} {sign} {writer.constant(constant)})"
    left, right = collect(writer, node.left, holder, type), collect(writer, node.right, holder, type)
    return f"{_EQUALITY[node.operator]}({left}, {right})"


def _truth(writer: Writer, node: Node, holder: str, type: str) -> str:
    """The operand of a logical operator, evaluated before the operator."""
    value = writer.fresh()
    writer.line(f"{value} = {expression(writer, node, holder, type)}")
    return value


def _refers(writer: Writer, source: Node | None, wanted: str, holder: str, type: str) -> str:
    if source is None:
        return f"refers({holder}, {writer.constant(wanted)})"
    name = collect(writer, source, holder, type)
    return f"(refers({name}[0], {writer.constant(wanted)}) if len({name}) == 1 else None)"


def _is(writer: Writer, operand: Node, wanted: str, holder: str, type: str) -> str:
    everything = collect(writer, operand, holder, type)
    matching = collect(writer, TypeTest("as", operand, wanted), holder, type)
    return f"(len({matching}) == 1 if len({everything}) == 1 else None)"


def _exists(writer: Writer, source: Node | None, arguments: tuple[Node, ...], holder: str, type: str) -> str:
    chosen = Call(source, "where", arguments) if arguments else source
    return f"bool({collect(writer, chosen, holder, type)})"


def _empty(writer: Writer, source: Node | None, arguments: tuple[Node, ...], holder: str, type: str) -> str:
    _none(arguments)
    return f"(not {collect(writer, source, holder, type)})"


def _not(writer: Writer, source: Node | None, arguments: tuple[Node, ...], holder: str, type: str) -> str:
    _none(arguments)
    return f"negated({_truth(writer, source, holder, type) if source else holder})"


def _count(writer: Writer, source: Node | None, arguments: tuple[Node, ...], holder: str, type: str) -> str:
    _none(arguments)
    return f"len({collect(writer, source, holder, type)})"


def _has_extension(writer: Writer, source: Node | None, arguments: tuple[Node, ...], holder: str, type: str) -> str:
    return f"bool({collect(writer, Call(source, 'extension', arguments), holder, type)})"


def _is_call(writer: Writer, source: Node | None, arguments: tuple[Node, ...], holder: str, type: str) -> str:
    if len(arguments) != 1 or source is None:
        raise Problem("invalid", "is() takes one type")
    return expression(writer, TypeTest("is", source, type_name(arguments[0])), holder, type)


def _none(arguments: tuple[Node, ...]) -> None:
    if arguments:
        raise Problem("invalid", "a function has too many arguments")


_FUNCTIONS = {
    "exists": _exists,
    "empty": _empty,
    "not": _not,
    "count": _count,
    "hasExtension": _has_extension,
    "is": _is_call,
}
