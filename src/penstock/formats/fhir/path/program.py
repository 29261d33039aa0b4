"""Expressions compiled once and kept: :func:`program` for values and truths, :func:`places` for where the values are."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.path.compiler.builder import Builder
from penstock.formats.fhir.path.compiler.values import BOOLEAN, Value
from penstock.formats.fhir.path.lexer import where
from penstock.formats.fhir.path.nodes import Node
from penstock.formats.fhir.path.parser import parse
from penstock.formats.fhir.path.runtime.env import NOWHERE, Env
from penstock.formats.fhir.path.runtime.items import Item, plain, resource, system_type, truth, truth_of

Place = tuple[str | int, ...]

#: Whoever patches a resource picks elements of it: that is no place for long computations.
_PICKING = Env(steps=200_000)


class Program:
    """A compiled expression, read at something of ``type``: a resource, an element, or a primitive value."""

    __slots__ = ("_evaluate", "_plain", "_result", "expression", "gives", "true", "type")

    #: The type of all that it finds, when the definitions alone tell it.
    gives: str | None

    #: Whether it is true: the one answer, or None for nothing.
    true: Callable[..., bool | None]

    def __init__(self, expression: str, type: str, builder: Builder, result: Value) -> None:
        self.expression, self.type, self.gives, self._result = expression, type, result.type, result
        self._plain = result.type is not None and not result.boxes and result.kind not in ("temporal", "quantity")
        self._evaluate = builder.function(result)
        if result.type is None and builder.focus.type is None:
            self._evaluate = _at_items(self._evaluate)
        self.true = self._evaluate if result.type == BOOLEAN and not result.many else self._truth

    def _truth(self, focus: Any, env: Env = NOWHERE) -> bool | None:
        found = self._evaluate(focus, env)
        return truth_of(found) if self._result.many else truth(found)

    def found(self, focus: Any, env: Env = NOWHERE) -> list[Any]:
        """What it finds, primitives with what lies beside them."""
        found = self._evaluate(focus, env)
        if found is None:
            return []
        return _listed(found) if self._result.many else [found]

    def __call__(self, focus: Any, env: Env = NOWHERE) -> list[Any]:
        """Everything that it finds, as JSON values; what only has extensions has no value, and is left out."""
        found = self.found(focus, env)
        return found if self._plain else [value for item in found if (value := plain(item)) is not None]

    def typed(self, focus: Any, env: Env = NOWHERE) -> list[tuple[str, Any]]:
        """Everything that it finds with its type: ``("dateTime", "2014")``, ``("System.Integer", 3)``."""
        found = []
        for item in self.found(focus, env):
            name = item.type if isinstance(item, Item) else self.gives or f"System.{system_type(item)}"
            found.append((name, plain(item)))
        return found


def _listed(found: Any) -> list[Any]:
    """A list of its own: what is found may be a part of the resource."""
    if not isinstance(found, (list, tuple)):
        raise Problem("structure", "what the expression is read at does not have the structure of its type")
    return list(found)


def _at_items(evaluate: Callable[..., Any]) -> Callable[..., Any]:
    """Where the type of the focus is only known from the data."""
    return lambda focus, env=NOWHERE: evaluate(focus if isinstance(focus, Item) else resource(focus), env)


@lru_cache(maxsize=2048)
def program(expression: str, type: str, *, strict: bool = False) -> Program:
    """The program that an expression is, read at something of a type.

    Problem("invalid") when it does not parse or names what R4 does not have, with the line and column; Problem("too-costly") for what is
    too long or nested too deep. ``strict`` refuses what is doubtful: another type's path, ``as`` of several items, picking by place where
    there is no order.
    """
    return _compiled(expression, parse(expression), type, strict=strict)


def _compiled(expression: str, node: Node, type: str, *, strict: bool = False, places: bool = False) -> Program:
    if r4().type(type) is None and not type.startswith("System."):
        raise Problem("invalid", "an expression is read at a type that R4 does not have")
    try:
        builder = Builder(expression, type, strict=strict, places=places)
        result = builder.whole(node)
        return Program(expression, type, builder, result)
    except RecursionError:
        raise Problem("too-costly", "the expression is nested too deep") from None


@lru_cache(maxsize=1024)
def of_node(node: Node, type: str) -> Program:
    """The program of a part of an expression."""
    return _compiled("", node, type)


@lru_cache(maxsize=1024)
def places(expression: str, type: str) -> Callable[[dict[str, Any]], list[Place]]:
    """The function from a resource to the places of what an expression selects in it: ``("name", 0, "given", 1)``.

    What is computed or lies elsewhere, and so has no place, is Problem("invalid").
    """
    compiled = _compiled(expression, parse(expression), type, places=True)

    def find(focus: dict[str, Any]) -> list[Place]:
        whole = Item(focus, type)
        found = compiled.found(whole, _PICKING)
        if any(not isinstance(item, Item) or item.origin is not whole for item in found):
            raise Problem("invalid", "the expression computes values; it does not select elements", at=where(expression, 0))
        return [item.place for item in found]

    return find
