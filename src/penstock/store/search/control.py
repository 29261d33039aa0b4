"""Parameters that shape the result instead of choosing resources (http://hl7.org/fhir/R4/search.html#return)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.searchparams import Parameters
from penstock.store.search.parameter import reference
from penstock.store.search.query import MOST, Include

#: Handled by whoever renders the answer.
NEUTRAL = frozenset(("_format", "_pretty"))
#: Parameters of R4 that this server does not do, with what it says to them.
REFUSED: dict[str, str] = {
    "_query": "there are no named queries here",
    "_containedType": "contained resources are not searched: they come with the resource that contains them",
    "_type": "only a search of the whole system is told its types",
    "_score": "matches have no score",
    "_graph": "graphs are not followed",
}

Controls = dict[str, Any]
Control = Callable[[Controls, Sequence[str], str, Parameters], None]


def _count(controls: Controls, types: Sequence[str], value: str, parameters: Parameters) -> None:
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise Problem("value", "_count is a number", at="_count")
    controls["count"] = min(int(value), MOST)
    if int(value) > MOST:
        controls["notes"] = ("a page holds at most 1000 matches here",)
    if int(value) == 0:  # search.html#count: the same as _summary=count
        controls["count_only"] = True


def _sort(controls: Controls, types: Sequence[str], value: str, parameters: Parameters) -> None:
    keys = tuple((name.removeprefix("-"), name.startswith("-")) for name in value.split(","))
    if len(keys) > 8 or any(name not in parameters.of(type) for type in types for name, _ in keys):
        raise Problem("not-supported", "this resource type cannot be sorted by that", at="_sort")
    controls["sort"] = keys


def _total(controls: Controls, types: Sequence[str], value: str, parameters: Parameters) -> None:
    if value not in ("none", "estimate", "accurate"):
        raise Problem("value", "_total is none, estimate or accurate", at="_total")
    controls["total"] = value


def _summary(controls: Controls, types: Sequence[str], value: str, parameters: Parameters) -> None:
    if value not in ("true", "text", "data", "count", "false"):
        raise Problem("value", "_summary is true, text, data, count or false", at="_summary")
    controls["count_only"] = value == "count"


def _elements(controls: Controls, types: Sequence[str], value: str, parameters: Parameters) -> None:
    """Which elements are shown is for whoever renders the answer."""


def _contained(controls: Controls, types: Sequence[str], value: str, parameters: Parameters) -> None:
    if value not in ("false", "true", "both"):
        raise Problem("value", "_contained is false, true or both", at="_contained")
    if value != "false":
        raise Problem("not-supported", REFUSED["_containedType"], at="_contained")


def _cursor(controls: Controls, types: Sequence[str], value: str, parameters: Parameters) -> None:
    controls["cursor"] = value


def _includes(name: str) -> Control:
    """``_include`` or ``_revinclude``, with or without ``:iterate`` (which STU3 called ``:recurse``)."""
    control, _, modifier = name.partition(":")
    read = _forward if control == "_include" else _backward
    field = control[1:] + "s"

    def note(controls: Controls, types: Sequence[str], value: str, parameters: Parameters) -> None:
        include = read(parameters, types, value, bool(modifier))
        controls[field] = (*controls.get(field, ()), include)

    return note


def _forward(parameters: Parameters, types: Sequence[str], value: str, iterate: bool) -> Include:
    if value == "*":
        return Include("*", "*", "", iterate)
    source, param, target = _parts(parameters, value, "_include")
    if source not in types and not iterate:
        raise Problem("value", "an _include starts at the type that is searched", at="_include")
    return Include(source, param, target, iterate)


def _backward(parameters: Parameters, types: Sequence[str], value: str, iterate: bool) -> Include:
    if value == "*":
        raise Problem("too-costly", "a _revinclude names the type that points here", at="_revinclude")
    source, param, target = _parts(parameters, value, "_revinclude")
    return Include(source, param, target, iterate)


def _parts(parameters: Parameters, value: str, at: str) -> tuple[str, str, str]:
    source, colon, rest = value.partition(":")
    param, _, target = rest.partition(":")
    known = r4().resource_types
    if not colon or source not in known or target not in ("", *known):
        raise Problem("value", "this is written Type:parameter or Type:parameter:Type", at=at)
    if param != "*":
        reference(parameters, source, param)
    return source, param, target


CONTROLS: dict[str, Control] = {
    "_count": _count,
    "_sort": _sort,
    "_total": _total,
    "_summary": _summary,
    "_elements": _elements,
    "_contained": _contained,
    "_cursor": _cursor,
    **{name: _includes(name) for each in ("_include", "_revinclude") for name in (each, f"{each}:iterate", f"{each}:recurse")},
}
