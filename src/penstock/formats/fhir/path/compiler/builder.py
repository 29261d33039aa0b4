"""From the syntax tree to Python: each part of an expression writes the lines that compute it and answers with a :class:`Value`.

Types are followed as far as the definitions know them: a path of one type becomes lookups in dicts. Where only the data tells, the code
calls what ``tree`` and ``bags`` have. This file has the frame of it; paths are in ``paths``, operators in ``operators``, functions in
``calls`` and those with an expression as argument in ``loops``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.path.compiler import paths
from penstock.formats.fhir.path.compiler.calls import call
from penstock.formats.fhir.path.compiler.closed import free, rooted
from penstock.formats.fhir.path.compiler.operators import OPERATORS
from penstock.formats.fhir.path.compiler.told import FILE, teller
from penstock.formats.fhir.path.compiler.values import CODES, NOTHING, PREFIXES, SIMPLE, STRING, Scope, Value, Want, is_primitive
from penstock.formats.fhir.path.compiler.writer import Writer
from penstock.formats.fhir.path.lexer import where
from penstock.formats.fhir.path.nodes import Call, Constant, Index, Member, Node
from penstock.formats.fhir.path.runtime import items as runtime
from penstock.formats.fhir.path.runtime import tree
from penstock.formats.fhir.path.runtime.env import NOWHERE, Run

#: Types that every resource or element has beside its own.
_ABSTRACT = ("Resource", "DomainResource")

UNSET = object()
#: Texts up to this length are made for free.
SHORT = 100


class Builder:
    """One expression being compiled. ``places``: every item remembers where it was found."""

    def __init__(self, text: str, type: str, *, strict: bool, places: bool) -> None:
        self.text, self.type, self.strict, self.places = text, type, strict, places
        self.writer = Writer(NO={}, UNSET=UNSET)
        self.writer.depth = 2
        self._prologue: dict[str, str] = {}
        self._steps = 0
        self._rooted: frozenset[int] = frozenset()
        dynamic = places or type in _ABSTRACT
        self.focus = Value("this", None if dynamic else type, sure=True, boxes=is_primitive(type))

    # what went wrong, and where

    def problem(self, text: str, code: str = "invalid", place: int | None = None) -> Problem:
        return Problem(code, text, at=where(self.text, self.writer.place if place is None else place))

    # parts of expressions

    def whole(self, node: Node) -> Value:
        """Write what computes an expression."""
        self._rooted = rooted(node)
        return self.build(node, Scope(self.focus))

    def build(self, node: Node, scope: Scope, want: Want = "item") -> Value:
        """Write what computes a node."""
        before, self.writer.place = self.writer.place, node.place
        try:
            if self.writer.loops and not self._steps and id(node) in self._rooted and not free(node, scope):
                return self._once(node, scope, want)
            if isinstance(node, (Member, Call, Index)):
                return self.chained(node, scope, want)[0]
            return OPERATORS[node.__class__](self, node, scope, want)
        finally:
            self.writer.place = before

    def chained(self, node: Node | None, scope: Scope, want: Want = "item") -> tuple[Value, Scope]:
        """A link of a chain, with the variables that it leaves defined for the next."""
        if node is None:
            return scope.this, scope
        if not isinstance(node, (Member, Call, Index)):
            return self.build(node, scope, want), scope
        before, self.writer.place = self.writer.place, node.place
        try:
            return self._link(node, scope, want)
        finally:
            self.writer.place = before

    def _link(self, node: Member | Call | Index, scope: Scope, want: Want) -> tuple[Value, Scope]:
        if isinstance(node, Call):
            return call(self, node, scope, want)
        if isinstance(node, Member) and node.source is None and node.name[:1].isupper():
            return paths.root(self, node.name, scope.this), scope
        source, inner = self.chained(node.source, scope)
        if isinstance(node, Index):
            return paths.index(self, source, node.at, scope), inner
        return paths.member(self, source, node.name, want), inner

    def _once(self, node: Node, scope: Scope, want: Want) -> Value:
        """What is the same for every turn of the loops around it is computed in the first turn that needs it."""
        name = self.writer.fresh("m")
        self._prologue[name] = f"{name} = UNSET"
        loops, self.writer.loops = self.writer.loops, 0
        with self.writer.block(f"if {name} is UNSET:"):
            value = self.build(node, scope, want)
            self.writer.line(f"{name} = {value.code}")
        self.writer.loops = loops
        return value.as_(code=name)

    @contextmanager
    def step(self, head: str) -> Iterator[None]:
        """A function within the function. It sets nothing outside of itself, so it finds the budget there."""
        self.writer.line(self.run())
        self._steps += 1
        with self.writer.block(head):
            yield
        self._steps -= 1

    # the surroundings

    def run(self) -> str:
        """The evaluation's budget and environment, made when it is first needed."""
        self.writer.use(Run)
        self._prologue.setdefault("run", "run = None")
        return "run" if self._steps else "(run := run or Run(env, this))"

    @property
    def looping(self) -> bool:
        """Whether what is written runs many times."""
        return self.writer.loops > 0 or self._steps > 0

    def call(self, function: Callable[..., Any], *arguments: str) -> str:
        return f"{self.writer.use(function)}({', '.join(arguments)})"

    def spend(self, sequence: str) -> None:
        """Loops within loops are counted."""
        if self.looping:
            self.writer.line(f"{self.run()}.spend(len({sequence}))")

    def counted(self, value: Value) -> Value:
        """A text that was made is counted, unless it is short."""
        if value.type in (STRING, None) and not value.many:
            code = value.code
            self.writer.line(f"if {code}.__class__ is str and len({code}) > {SHORT}: {self.run()}.spend(len({code}))")
        return value

    def constant(self, node: Constant, scope: Scope) -> Value:
        """``%name``: what was defined before in the chain, what FHIR defines, or what the caller gives."""
        if node.name in scope.variables:
            return scope.variables[node.name]
        if node.name in ("context", "resource", "rootResource"):
            return self._surrounding(node.name)
        text = CODES.get(node.name)
        for prefix, base in PREFIXES.items():
            if node.name.startswith(prefix):
                text = base + node.name.removeprefix(prefix)
        if text is not None:
            return Value(self.writer.constant(text), STRING, sure=True)
        name = self.writer.constant(node.name)
        return Value(self.writer.let(f"{self.run()}.variable({name})"), None, many=True)

    def _surrounding(self, name: str) -> Value:
        if name == "context":
            return self.focus
        owner = self.type.partition(".")[0]
        own = f"this if env.resource is None else {'resource(env.resource)' if self.places else 'env.resource'}"
        if name == "resource" and owner in r4().resource_types and owner not in _ABSTRACT:
            self._prologue.setdefault("resource_", f"resource_ = {own}")
            self.writer.use(runtime.resource)
            return self.focus.as_(code="resource_", type=None if self.places else owner, boxes=False)
        found = self.call(_surrounding_resource, f"{self.run()}.{'resource' if name == 'resource' else 'root'}")
        if self._steps:
            return Value(self.writer.let(found), None, sure=True)
        variable = f"{name}_"
        self._prologue.setdefault(variable, f"{variable} = UNSET")
        self.writer.line(f"if {variable} is UNSET: {variable} = {found}")
        return Value(variable, None, sure=True)

    # from one form of a value to another

    def sequence(self, value: Value) -> str:
        """The name of a sequence of the value's items."""
        if value.many:
            return value.code
        return self.writer.let(f"({value.code},)" if value.sure else f"() if {value.code} is None else ({value.code},)")

    def several(self, value: Value) -> Value:
        return value if value.many else value.as_(code=self.sequence(value), many=True, sure=True)

    def one(self, value: Value) -> Value:
        """At most one item; several are a Problem when it runs."""
        if not value.many:
            return value
        return value.as_(code=self.writer.let(self.call(runtime.only, value.code)), many=False, sure=False)

    def mixed(self, value: Value) -> Value:
        """Items that tell their type."""
        if value.type is None or value.type == NOTHING or value.type.startswith("System."):
            return value.as_(type=None)
        code, type = value.code, self.writer.constant(value.type)
        if value.many:
            made = f"{self.call(tree.typed, code, type)} if {code} else ()"
        else:
            made = self.call(runtime.boxed, code, type)
            made = made if value.sure else f"None if {code} is None else {made}"
        return value.as_(code=self.writer.let(made), type=None, boxes=False)

    def same_form(self, left: Value, right: Value) -> tuple[Value, Value]:
        """Both as sequences whose items may lie in one collection."""
        if left.type == NOTHING or right.type == NOTHING or (left.type == right.type):
            return self.several(left), self.several(right)
        return self.several(self.mixed(left)), self.several(self.mixed(right))

    def system(self, value: Value) -> Value:
        """Values of System, or the data of complex types; primitives without a value are left out."""
        if value.kind == "mixed":
            function = runtime.systems if value.many else runtime.system
            return value.as_(code=self.writer.let(self.call(function, value.code)), sure=value.many)
        if value.boxes and value.many:
            value = value.as_(code=self.writer.let(self.call(runtime.bares, value.code)), boxes=False)
        elif value.boxes:
            value = value.as_(code=self.writer.let(self.call(runtime.bare, value.code)), boxes=False, sure=False)
        reader = runtime.READERS.get(value.type or "")
        if reader is None:
            return value
        name = self.writer.constant(reader)
        made = f"[{name}(x) for x in {value.code}]" if value.many else f"None if {value.code} is None else {name}({value.code})"
        return value.as_(code=self.writer.let(made), type=_READ.get(value.type or "", value.type))

    def truth(self, value: Value) -> Value:
        """One truth value, or None."""
        result = Value(value.code, "System.Boolean")
        if value.type == NOTHING:
            return result
        if value.many:
            return result.as_(code=self.writer.let(self.call(runtime.truth_of, value.code)))
        if value.kind == "boolean" and not value.boxes:
            return result.as_(sure=value.sure)
        if value.kind in SIMPLE and not value.boxes:
            return result.as_(code=self.writer.let("True" if value.sure else f"None if {value.code} is None else True"), sure=value.sure)
        return result.as_(code=self.writer.let(self.call(runtime.truth, value.code)))

    # the whole

    def function(self, result: Value) -> Callable[..., Any]:
        """Compile what was written into ``evaluate(this, env)``."""
        writer = self.writer
        writer.line(f"return {result.code}")
        head = ["def evaluate(this, env=NOWHERE):", "    try:", *(f"        {line}" for line in self._prologue.values())]
        tail = ["    except Exception as error:", "        raise told(error) from None"]
        writer.names.update(NOWHERE=NOWHERE, told=teller(self.text, len(head), tuple(writer.places)))
        try:
            exec(compile("\n".join([*head, *writer.lines, *tail]), FILE, "exec"), writer.names)  # noqa: S102  this source is ours alone
        except SyntaxError:  # Python's own limit of blocks within blocks
            raise Problem("too-costly", "the expression walks through too many levels") from None
        made: Callable[..., Any] = writer.names["evaluate"]
        return made


_READ = {
    "decimal": "System.Decimal", "date": "System.Date", "dateTime": "System.DateTime", "instant": "System.DateTime", "time": "System.Time",
}  # fmt: skip


def _surrounding_resource(value: Any) -> Any:
    return value if isinstance(value, runtime.Item) else runtime.resource(value)
