"""The query string of a search, read into criteria and controls (http://hl7.org/fhir/R4/search.html).

A parameter that a type does not have is ``not-supported``, or listed as ignored when the caller is lenient (search.html#errors). A
control or modifier that we do not do is refused either way: leaving it out would change the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from penstock.errors import Problem
from penstock.formats.fhir.searchparams import R4, Parameters
from penstock.store.search import expression, filter
from penstock.store.search.condition import Condition
from penstock.store.search.control import CONTROLS, NEUTRAL, REFUSED
from penstock.store.search.criterion import Criterion
from penstock.store.search.parameter import Unknown
from penstock.store.search.query import Query
from penstock.store.search.read import Reader

#: Parameters that one query may have.
CRITERIA = 50

Pairs = Sequence[tuple[str, str]]

__all__ = ["Pairs", "Query", "parse", "parse_all"]


def parse(type: str, query: str | Pairs, *, lenient: bool = False, parameters: Parameters = R4) -> Query:
    """Read the query for a resource type: a query string, or (name, value) pairs that are already decoded."""
    return parse_all((type,), query, lenient=lenient, parameters=parameters)[0]


def parse_all(types: Sequence[str], query: str | Pairs, *, lenient: bool = False, parameters: Parameters = R4) -> list[Query]:
    """The same for several types, one Query for each: every parameter must be one of all of them."""
    pairs = [pair for pair in (_pairs(query) if isinstance(query, str) else query) if pair[0] not in NEUTRAL and pair[1]]
    if len(pairs) > CRITERIA:
        raise Problem("too-costly", "a search has at most 50 parameters")
    controls: dict[str, Any] = {}
    used: list[tuple[str, str]] = []
    ignored: list[str] = []
    chosen: list[list[Condition]] = []
    for name, value in pairs:
        if control := CONTROLS.get(name):
            control(controls, types, value, parameters)
        elif name in REFUSED:
            raise Problem("not-supported", REFUSED[name], at=name)
        else:
            try:
                chosen.append([_condition(parameters, type, name, value) for type in types])
            except Unknown:
                if not lenient:
                    raise
                ignored.append(name)
                continue
        if name != "_cursor":
            used.append((name, value))
    if ("_summary", "text") in used and ("includes" in controls or "revincludes" in controls):
        raise Problem("invalid", "_summary=text brings no other resources: it is not mixed with includes", at="_summary")
    shared = Query("", used=tuple(used), ignored=tuple(ignored), **controls)
    return [_query(shared, type, [each[number] for each in chosen]) for number, type in enumerate(types)]


def _condition(parameters: Parameters, type: str, name: str, value: str) -> Condition:
    reader = Reader(parameters)
    if name == "_filter":
        return filter.bind(reader, type, expression.parse(value))
    return reader.condition(type, name, value)


def _query(shared: Query, type: str, chosen: Sequence[Condition]) -> Query:
    criteria = tuple(each for each in chosen if isinstance(each, Criterion))
    conditions = tuple(each for each in chosen if not isinstance(each, Criterion))
    return replace(shared, type=type, criteria=criteria, conditions=conditions)


def _pairs(text: str) -> Pairs:
    try:
        return parse_qsl(text.partition("?")[2] if "?" in text else text, keep_blank_values=True, errors="strict", max_num_fields=200)
    except ValueError:
        raise Problem("invalid", "the query is not well formed") from None
