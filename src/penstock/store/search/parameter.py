"""One parameter of a query, read into a criterion: its modifier and values checked against the definitions."""

from __future__ import annotations

from penstock.errors import Problem
from penstock.formats.fhir.definitions import SearchParam, r4
from penstock.formats.fhir.searchparams import Parameters
from penstock.store.search.criterion import Criterion, split
from penstock.store.search.pointed import targets
from penstock.store.search.types import KINDS, MODIFIERS

#: Values that one criterion may list.
VALUES = 1000


class Unknown(Problem):
    """A parameter that the resource type does not have; the one thing that a lenient caller lets pass."""

    def __init__(self) -> None:
        super().__init__("not-supported", "this resource type has no such search parameter")


def parameter(parameters: Parameters, type: str, code: str) -> SearchParam:
    """The definition of a parameter; Unknown where there is none, or where it does not say what it looks at."""
    param = parameters.of(type).get(code)
    if param is None or not (param.expression or code in KINDS):
        raise Unknown
    return param._replace(targets=targets(param, type)) if param.type == "reference" else param


def criterion(parameters: Parameters, type: str, name: str, value: str) -> Criterion:
    """The criterion of one ``name=value``."""
    code, _, modifier = name.partition(":")
    param = parameter(parameters, type, code)
    kind = KINDS.get(code, param.type)
    wanted = param.targets
    if kind == "reference" and modifier in r4().resource_types:
        wanted, modifier = (modifier,), ""
    if modifier and modifier not in MODIFIERS.get(kind, ()):
        raise Problem("not-supported", "this modifier is not supported for this type of parameter", at=code)
    values = (value,) if modifier == "missing" else tuple(split(value, ","))
    if len(values) > VALUES:
        raise Problem("too-costly", "a parameter lists at most 1000 values", at=code)
    return Criterion(code, kind, modifier, values, wanted)


def reference(parameters: Parameters, type: str, code: str) -> SearchParam:
    """The definition of a reference parameter, to follow it."""
    param = parameter(parameters, type, code)
    if param.type != "reference":
        raise Problem("not-supported", "only a reference parameter leads to another resource", at=code)
    return param
