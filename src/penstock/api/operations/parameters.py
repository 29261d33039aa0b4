"""The Parameters resource (http://hl7.org/fhir/R4/parameters.html): read against what an operation declares, and written. Pure.

A value is what JSON holds: a text, a number, an object for a complex type or a resource, and a :class:`Given` for parts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from penstock.api.operations.operation import Parameter
from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.validate import require

Resource = dict[str, Any]

#: Types that are texts, as far as it matters which one of them a client says a value has.
_TEXTS = frozenset(("canonical", "code", "date", "dateTime", "id", "instant", "markdown", "oid", "string", "time", "uri", "url", "uuid"))
_TEXTS |= {"base64Binary"}
_NUMBERS = frozenset(("decimal", "integer", "positiveInt", "unsignedInt"))
_MOST = 1000
_INTEGER = re.compile(r"[+-]?\d{1,10}")
_DECIMAL = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?([eE][+-]?\d{1,2})?")


class Given(Mapping[str, tuple[Any, ...]]):
    """What was given, by name. Every name that has no value gives the empty tuple."""

    def __init__(self, values: Mapping[str, Sequence[Any]] | None = None) -> None:
        self._values = {name: tuple(each) for name, each in (values or {}).items() if each}

    def __getitem__(self, name: str) -> tuple[Any, ...]:
        return self._values.get(name, ())

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def one(self, name: str, default: Any = None) -> Any:
        """The value of a parameter that has one at most."""
        return self._values.get(name, (default,))[0]


def decode(resource: Resource, declared: Sequence[Parameter], *, lenient: bool = False) -> Given:
    """The values in a Parameters resource. What is not declared is refused, or left out where ``lenient``."""
    _require_parameters(resource)
    return _named(resource.get("parameter", []), declared, "Parameters", lenient)


def from_query(pairs: Iterable[tuple[str, str]], declared: Sequence[Parameter], *, lenient: bool = False) -> Given:
    """The values in a URL (operations.html#request): parameters of primitive types only."""
    known = {each.name: each for each in declared}
    values: dict[str, list[Any]] = {}
    for name, text in pairs:
        parameter = known.get(name)
        if parameter is not None:
            values.setdefault(name, []).append(_from_text(parameter, text))
        elif not lenient:
            raise Problem("not-supported", "this operation has no such parameter", at="http.query")
    return Given(values)


def require_declared(given: Given, declared: Sequence[Parameter], at: str = "Parameters") -> Given:
    """Refuse what is given too often or not at all."""
    for parameter in declared:
        count = len(given[parameter.name])
        if count < parameter.least:
            raise Problem("required", "a parameter that this operation needs is missing", at=f"{at}.{parameter.name}")
        if parameter.most is not None and count > parameter.most:
            raise Problem("invalid", "a parameter is given more often than this operation takes it", at=f"{at}.{parameter.name}")
    return given


def joined(first: Given, second: Given) -> Given:
    """Both; a parameter of one name keeps the values of both."""
    return Given({name: first[name] + second[name] for name in {**first, **second}})


Value = tuple[str, str, Any]
"""(name, type, value): the type is a FHIR type, ``Resource``, or ``part`` with a sequence of Values."""


def encode(values: Iterable[Value]) -> Resource:
    """A Parameters resource of ``values``, in their order."""
    found = [_member(*value) for value in values]
    return {"resourceType": "Parameters", **({"parameter": found} if found else {})}


def _member(name: str, type_: str, value: Any) -> Resource:
    if type_ == "Resource":
        return {"name": name, "resource": value}
    if type_ == "part":
        return {"name": name, "part": [_member(*each) for each in value]}
    return {"name": name, f"value{type_[0].upper()}{type_[1:]}": value}


def _require_parameters(resource: Resource) -> None:
    """Structure and types of all but the resources inside: those are the operation's to judge."""
    if resource.get("resourceType") != "Parameters":
        raise Problem("invalid", "an operation takes a Parameters resource", at="resourceType")
    require(_without_resources(resource))


def _without_resources(value: Resource) -> Resource:
    found = dict(value)
    for name in ("parameter", "part"):
        if isinstance(value.get(name), list):
            found[name] = [_without_resources(each) if isinstance(each, dict) else each for each in value[name]]
    if isinstance(value.get("resource"), dict):
        found["resource"] = {"resourceType": "Basic", "code": {"text": "stands for a resource"}}
    return found


def _named(members: Sequence[Resource], declared: Sequence[Parameter], at: str, lenient: bool) -> Given:
    if len(members) > _MOST:
        raise Problem("too-long", "there are more parameters than this server accepts", at=at)
    known = {each.name: each for each in declared}
    values: dict[str, list[Any]] = {}
    for member in members:
        parameter = known.get(member["name"])
        if parameter is not None:
            values.setdefault(parameter.name, []).append(_value(member, parameter, f"{at}.{parameter.name}", lenient))
        elif not lenient:
            raise Problem("not-supported", "this operation has no such parameter", at=f"{at}.parameter")
    return Given(values)


def _value(member: Resource, parameter: Parameter, at: str, lenient: bool) -> Any:
    if parameter.parts:
        return require_declared(_named(member.get("part", []), parameter.parts, at, lenient), parameter.parts, at)
    if "resource" in member:
        if not _is_resource(parameter, member["resource"].get("resourceType")):
            raise Problem("invalid", "a parameter has another type than this operation takes", at=at)
        return member["resource"]
    found = next((name for name in member if name.startswith("value")), None)
    if found is None:
        raise Problem("required", "a parameter has no value", at=at)
    if not _fits(parameter.type, found[5:]):
        raise Problem("invalid", "a parameter has another type than this operation takes", at=at)
    return member[found]


def _is_resource(parameter: Parameter, type_: Any) -> bool:
    return isinstance(type_, str) and type_ in r4().resource_types and parameter.type in ("Resource", "Any", type_)


def _fits(declared: str, given: str) -> bool:
    """Whether a value of a type may stand for the declared one: texts for texts, numbers for numbers, else the same."""
    lower = given[0].lower() + given[1:]
    if declared in ("*", "Element"):
        return True
    return declared in (given, lower) or {declared, lower} <= _TEXTS or {declared, lower} <= _NUMBERS


_FROM_TEXT: dict[str, Callable[[str], Any]] = {"boolean": lambda text: text == "true", "decimal": Decimal}
_FROM_TEXT |= dict.fromkeys(("integer", "positiveInt", "unsignedInt"), int)
_WRITTEN = {"boolean": re.compile("true|false"), "decimal": _DECIMAL} | dict.fromkeys(("integer", "positiveInt", "unsignedInt"), _INTEGER)


def _from_text(parameter: Parameter, text: str) -> Any:
    if parameter.type in _TEXTS or parameter.type == "*":
        return text
    written = _WRITTEN.get(parameter.type)
    if written is None:
        raise Problem("not-supported", "a parameter of this type is sent in a Parameters resource", at=f"http.{parameter.name}")
    if not written.fullmatch(text):
        raise Problem("value", "a parameter has another type than this operation takes", at=f"http.{parameter.name}")
    return _FROM_TEXT[parameter.type](text)
