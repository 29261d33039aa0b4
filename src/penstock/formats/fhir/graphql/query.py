"""A GraphQL document (https://spec.graphql.org/October2021/) as the fields of one operation.

Fragments are put in place, variables and ``@skip`` and ``@include`` are decided, and fields of one name are one, so that what is left is a
tree. Its size is bounded before it grows: a document of fragments within fragments is refused early.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLSyntaxError, parse
from graphql.language import ast

from penstock.errors import Problem

#: Characters, tokens, fields after fragments are put in place, and levels of a query.
LONGEST, TOKENS, FIELDS, DEEPEST = 65_536, 8_000, 1_000, 20

Names = tuple[str, ...]


@dataclass(frozen=True)
class Field:
    """One field: ``key`` is its name in the answer, ``on`` are types that the object must be of, ``slice`` is the path of ``@slice``."""

    key: str
    name: str
    arguments: dict[str, Any]
    on: tuple[str, ...] = ()
    flatten: bool = False
    singleton: bool = False
    first: bool = False
    slice: str | None = None
    fields: tuple[Field, ...] = ()


def read(text: str, *, operation: str | None = None, variables: Mapping[str, Any] | None = None) -> tuple[Field, ...]:
    """The fields of the operation of that name, or of the only one."""
    if len(text) > LONGEST:
        raise Problem("too-long", "this query is longer than is accepted", at="query")
    try:
        document = parse(text, no_location=True, max_tokens=TOKENS)
    except GraphQLSyntaxError:
        raise Problem("invalid", "this is not a GraphQL query, or a very long one", at="query") from None
    except RecursionError:
        raise Problem("too-costly", "this query is nested too deep", at="query") from None
    operations = [each for each in document.definitions if isinstance(each, ast.OperationDefinitionNode)]
    chosen = [each for each in operations if operation is None or (each.name is not None and each.name.value == operation)]
    if len(chosen) != 1:
        raise Problem("invalid", "a document has one operation, or says by operationName which one is meant", at="operationName")
    if chosen[0].operation is not ast.OperationType.QUERY:
        raise Problem("not-supported", "only queries are served by GraphQL: changes go by REST", at="query")
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, ast.FragmentDefinitionNode)}
    reader = _Reader(fragments, _variables(chosen[0], variables or {}))
    return reader.fields(chosen[0].selection_set, (), ())


@dataclass
class _Reader:
    """``left`` is how many fields there may still be."""

    fragments: Mapping[str, ast.FragmentDefinitionNode]
    variables: Mapping[str, Any]
    left: int = field(default=FIELDS)

    def fields(self, selection: ast.SelectionSetNode | None, on: Names, inside: Names, deep: int = 0) -> tuple[Field, ...]:
        """The fields of a selection set; those that are the same are one, with the fields of all of them."""
        if selection is None:
            return ()
        if deep > DEEPEST:
            raise Problem("too-costly", "this query is nested too deep", at="query")
        found: dict[tuple[str, tuple[str, ...]], Field] = {}
        for each in self._selected(selection, on, inside, deep):
            same = found.get((each.key, each.on))
            if same is not None and (same.name, same.arguments) != (each.name, each.arguments):
                raise Problem("invalid", "two different fields have one name in the answer: give one of them an alias", at="query")
            found[each.key, each.on] = each if same is None else _merged(same, each)
        return tuple(found.values())

    def _selected(self, selection: ast.SelectionSetNode, on: Names, inside: Names, deep: int) -> Iterator[Field]:
        for node in selection.selections:
            self.left -= 1
            if self.left < 0:
                raise Problem("too-costly", "this query has too many fields", at="query")
            directives = self._directives(node)
            if directives.pop("skip", False) or not directives.pop("include", True):
                continue
            if isinstance(node, ast.FieldNode):
                yield self._field(node, on, inside, deep, directives)
            elif isinstance(node, ast.InlineFragmentNode):
                narrowed = on if node.type_condition is None else (*on, node.type_condition.name.value)
                yield from self.fields(node.selection_set, narrowed, inside, deep + 1)
            elif isinstance(node, ast.FragmentSpreadNode):
                yield from self._spread(node.name.value, on, inside, deep)

    def _spread(self, name: str, on: Names, inside: Names, deep: int) -> Iterator[Field]:
        fragment = self.fragments.get(name)
        if fragment is None or name in inside:
            raise Problem("invalid", "a fragment is not there, or contains itself", at="query")
        yield from self.fields(fragment.selection_set, (*on, fragment.type_condition.name.value), (*inside, name), deep + 1)

    def _field(self, node: ast.FieldNode, on: Names, inside: Names, deep: int, directives: dict[str, Any]) -> Field:
        return Field(
            key=node.alias.value if node.alias else node.name.value,
            name=node.name.value,
            arguments={each.name.value: _value(each.value, self.variables) for each in node.arguments},
            on=on,
            fields=self.fields(node.selection_set, (), inside, deep + 1),
            **directives,
        )

    def _directives(self, node: ast.SelectionNode) -> dict[str, Any]:
        """The directives of FHIR and those of GraphQL itself, with what they say."""
        found: dict[str, Any] = {}
        for each in node.directives:
            name, arguments = each.name.value, {one.name.value: _value(one.value, self.variables) for one in each.arguments}
            wanted = _ARGUMENTS.get(name)
            if wanted is None or set(arguments) != set(wanted) or not all(type(arguments[one]) is kind for one, kind in wanted.items()):
                raise Problem("invalid", "a directive is not known here, or not in this form", at="query")
            found[name] = next(iter(arguments.values()), True)
        return found


#: Directive to its argument: those of GraphQL, and those of FHIR (graphql.html#list).
_ARGUMENTS: dict[str, dict[str, type]] = {
    "skip": {"if": bool}, "include": {"if": bool}, "flatten": {}, "singleton": {}, "first": {}, "slice": {"path": str},
}  # fmt: skip


def _merged(one: Field, other: Field) -> Field:
    fields: dict[tuple[str, tuple[str, ...]], Field] = {(each.key, each.on): each for each in one.fields}
    for each in other.fields:
        same = fields.get((each.key, each.on))
        if same is not None and (same.name, same.arguments) != (each.name, each.arguments):
            raise Problem("invalid", "two different fields have one name in the answer: give one of them an alias", at="query")
        fields[each.key, each.on] = each if same is None else _merged(same, each)
    values = {name: value for name, value in vars(one).items() if name != "fields"}
    return Field(**values, fields=tuple(fields.values()))


def _variables(operation: ast.OperationDefinitionNode, given: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for each in operation.variable_definitions:
        name = each.variable.name.value
        if name in given:
            values[name] = given[name]
        elif each.default_value is not None:
            values[name] = _value(each.default_value, {})
        elif isinstance(each.type, ast.NonNullTypeNode):
            raise Problem("required", "a variable that this query needs is missing", at="variables")
        else:
            values[name] = None
    return values


def _value(node: ast.ValueNode, variables: Mapping[str, Any]) -> Any:
    """What an argument says; enumerations are texts."""
    match node:
        case ast.VariableNode():
            if node.name.value not in variables:
                raise Problem("invalid", "a variable is not declared by this query", at="query")
            return variables[node.name.value]
        case ast.IntValueNode():
            return int(node.value) if len(node.value) <= 18 else node.value
        case ast.BooleanValueNode() | ast.StringValueNode() | ast.EnumValueNode() | ast.FloatValueNode():
            return node.value
        case ast.ListValueNode():
            return [_value(each, variables) for each in node.values]
        case ast.NullValueNode():
            return None
    raise Problem("not-supported", "an argument is a text, a number, a truth value or a list of those", at="query")
