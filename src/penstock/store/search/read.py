"""Names of parameters that lead to other resources: ``subject:Patient.organization.name`` and ``_has:Observation:patient:code``.

See http://hl7.org/fhir/R4/search.html#chaining and #has. A reference that may point at several types is followed to each of them that
has the next parameter, and takes it so.
"""

from __future__ import annotations

from collections.abc import Callable

from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.searchparams import Parameters
from penstock.store.search.condition import Chain, Condition, Has
from penstock.store.search.criterion import split
from penstock.store.search.parameter import Unknown, criterion, reference

Read = Callable[[str], Condition]

#: Links that one parameter may string together, and conditions that a query may come to when every type is counted.
DEPTH, CONDITIONS = 8, 400


class Reader:
    """Reads the conditions of one query, and counts them: a chain through references to anything must not grow without bound."""

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self._left = CONDITIONS

    def condition(self, type: str, name: str, value: str, depth: int = 0) -> Condition:
        """What ``name=value`` asks of a resource of ``type``."""
        self.count(depth)
        if name.startswith("_has:"):
            return self._has(type, name, value, depth)
        if name == "_list":
            return self._list(value)
        head, dot, rest = name.partition(".")
        if dot:
            return self.chain(type, head, lambda target: self.condition(target, rest, value, depth + 1))
        return criterion(self.parameters, type, name, value)

    def count(self, depth: int) -> None:
        """One more condition; too many, or too deep ones, are ``too-costly``."""
        self._left -= 1
        if self._left < 0:
            raise Problem("too-costly", "this search follows too many references: say which type each one points at")
        if depth > DEPTH:
            raise Problem("too-costly", "this search follows references of references too deeply")

    def chain(self, type: str, head: str, read: Read) -> Condition:
        """The condition of a chain that begins with ``head``; ``read`` reads the rest of it for a target type."""
        code, _, wanted = head.partition(":")
        param = reference(self.parameters, type, code)
        if wanted and wanted not in param.targets:
            raise Problem("not-supported", "this parameter does not point at that resource type", at=code)
        inner: list[tuple[str, Condition]] = []
        refused: list[Problem] = []
        for target in (wanted,) if wanted else param.targets:
            try:
                inner.append((target, read(target)))
            except Problem as problem:
                if problem.code != "not-supported":
                    raise
                refused.append(problem)
        if not inner:
            raise next((each for each in refused if not isinstance(each, Unknown)), Unknown())
        return Chain(code, tuple(inner))

    def _has(self, type: str, name: str, value: str, depth: int) -> Condition:
        parts = name.split(":", 3)
        if len(parts) < 4 or parts[1] not in r4().resource_types:
            raise Problem("value", "this is written _has:Type:reference:parameter", at="_has")
        _, source, code, rest = parts
        if type not in reference(self.parameters, source, code).targets:
            raise Problem("not-supported", "that parameter does not point at the type that is searched", at="_has")
        return Has(source, code, self.condition(source, rest, value, depth + 1))

    def _list(self, value: str) -> Condition:
        """Membership in a List (search.html#list). A functional list such as ``$current-problems`` is not kept here."""
        if any(each.startswith("$") for each in split(value, ",")):
            raise Problem("not-supported", "functional lists are not kept: name the id of a List", at="_list")
        return Has("List", "item", criterion(self.parameters, "List", "_id", value))
