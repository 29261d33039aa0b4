"""The query string of a search, read into criteria and controls (http://hl7.org/fhir/R4/search.html).

A parameter that a type does not have is ``not-supported``, or listed as ignored when the caller is lenient (search.html#errors). A
control or modifier that we do not do is refused either way: leaving it out would change the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.store.search.criterion import Criterion, split
from penstock.store.search.types import KINDS, MODIFIERS

#: Resources on a page: without _count, and at most.
COUNT, MOST = 50, 1000
#: Values that one criterion may list, and criteria that one query may have.
VALUES, CRITERIA = 1000, 50


@dataclass(frozen=True, slots=True)
class Include:
    """``_include`` or ``_revinclude``: the references of ``source`` by ``param`` (``*``: by all), if they point at ``target``."""

    source: str
    param: str
    target: str


@dataclass(frozen=True, slots=True)
class Query:
    """A search of one type: every criterion must hold. ``sort`` is (parameter, descending)."""

    type: str
    criteria: tuple[Criterion, ...] = ()
    sort: tuple[tuple[str, bool], ...] = ()
    count: int = COUNT
    includes: tuple[Include, ...] = ()
    revincludes: tuple[Include, ...] = ()
    total: str = "none"
    count_only: bool = False
    cursor: str | None = None
    #: (name, value) pairs that took part, for the self link; and the names that were ignored.
    used: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = ()


def parse(type: str, query: str | Sequence[tuple[str, str]], *, lenient: bool = False) -> Query:
    """Read the query for a resource type: a query string, or (name, value) pairs that are already decoded."""
    pairs = _pairs(query) if isinstance(query, str) else list(query)
    controls: dict[str, Any] = {}
    criteria: list[Criterion] = []
    used: list[tuple[str, str]] = []
    ignored: list[str] = []
    for name, value in pairs:
        if name in _NEUTRAL or not value:
            continue
        if control := _CONTROLS.get(name):
            control(controls, type, value)
        elif name in _REFUSED:
            raise Problem("not-supported", "this search control is not supported", at=name)
        elif lenient and not _is_known(type, name):
            ignored.append(name)
            continue
        else:
            criteria.append(criterion(type, name, value))
        if name != "_cursor":
            used.append((name, value))
    if len(criteria) > CRITERIA:
        raise Problem("too-costly", "a search has at most 50 criteria")
    return Query(type, tuple(criteria), used=tuple(used), ignored=tuple(ignored), **controls)


def criterion(type: str, name: str, value: str) -> Criterion:
    """One parameter with its modifier and values, checked against the definitions."""
    code, _, modifier = name.partition(":")
    if "." in name or code == "_has":
        raise Problem("not-supported", "chained parameters are not supported", at="_has" if code == "_has" else "")
    param = r4().search_params(type).get(code)
    if param is None or not param.expression:  # R4 names a few parameters without saying what they look at
        raise Problem("not-supported", "this resource type has no such search parameter")
    kind = KINDS.get(code, param.type)
    targets = param.targets
    if kind == "reference" and modifier in r4().resource_types:
        targets, modifier = (modifier,), ""
    if modifier and modifier not in MODIFIERS.get(kind, ()):
        raise Problem("not-supported", "this modifier is not supported for this type of parameter", at=code)
    values = (value,) if modifier == "missing" else tuple(split(value, ","))
    if len(values) > VALUES:
        raise Problem("too-costly", "a parameter lists at most 1000 values", at=code)
    return Criterion(code, kind, modifier, values, targets)


#: Handled by whoever renders the answer.
_NEUTRAL = frozenset(("_format", "_pretty"))
_REFUSED = frozenset(
    ("_elements", "_contained", "_containedType", "_text", "_content", "_list", "_query", "_filter", "_score", "_type", "_graph")
)


def _is_known(type: str, name: str) -> bool:
    """Whether a parameter of this name exists; its modifier, and chains, are another question."""
    return re.split("[:.]", name, maxsplit=1)[0] in r4().search_params(type) or name.startswith("_has:")


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text.partition("?")[2] if "?" in text else text, keep_blank_values=True, errors="strict", max_num_fields=200)
    except ValueError:
        raise Problem("invalid", "the query is not well formed") from None


def _count(controls: dict[str, Any], type: str, value: str) -> None:
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise Problem("value", "_count is a number", at="_count")
    controls["count"] = min(int(value), MOST)
    if int(value) == 0:  # search.html#count: the same as _summary=count
        controls["count_only"] = True


def _sort(controls: dict[str, Any], type: str, value: str) -> None:
    keys = tuple((name.removeprefix("-"), name.startswith("-")) for name in value.split(","))
    if any(name not in r4().search_params(type) for name, _ in keys):
        raise Problem("not-supported", "this resource type cannot be sorted by that", at="_sort")
    controls["sort"] = keys


def _total(controls: dict[str, Any], type: str, value: str) -> None:
    if value not in ("none", "estimate", "accurate"):
        raise Problem("value", "_total is none, estimate or accurate", at="_total")
    controls["total"] = value


def _summary(controls: dict[str, Any], type: str, value: str) -> None:
    if value not in ("count", "false"):
        raise Problem("not-supported", "of _summary only count and false are supported", at="_summary")
    controls["count_only"] = value == "count"


def _cursor(controls: dict[str, Any], type: str, value: str) -> None:
    controls["cursor"] = value


def _include(controls: dict[str, Any], type: str, value: str) -> None:
    source, param, target = _parts(value, "_include")
    if source != type:
        raise Problem("value", "an _include starts at the type that is searched", at="_include")
    controls["includes"] = (*controls.get("includes", ()), Include(source, param, target))


def _revinclude(controls: dict[str, Any], type: str, value: str) -> None:
    source, param, target = _parts(value, "_revinclude")
    if param == "*" or target not in ("", type):
        raise Problem("not-supported", "a _revinclude names a type and one of its parameters", at="_revinclude")
    controls["revincludes"] = (*controls.get("revincludes", ()), Include(source, param, type))


def _parts(value: str, at: str) -> tuple[str, str, str]:
    source, _, rest = value.partition(":")
    param, _, target = rest.partition(":")
    if value == "*" or source not in r4().resource_types:
        raise Problem("value", "this is written Type:parameter or Type:parameter:Type", at=at)
    known = r4().search_params(source).get(param)
    if param != "*" and (known is None or known.type != "reference"):
        raise Problem("not-supported", "this resource type has no such reference parameter", at=at)
    if target and target not in r4().resource_types:
        raise Problem("value", "this is written Type:parameter or Type:parameter:Type", at=at)
    return source, param, target


_CONTROLS: dict[str, Callable[[dict[str, Any], str, str], None]] = {
    "_count": _count,
    "_sort": _sort,
    "_total": _total,
    "_summary": _summary,
    "_cursor": _cursor,
    "_include": _include,
    "_revinclude": _revinclude,
}
