"""``_sort``: the orders that SQL walks, and those that are made in memory (http://hl7.org/fhir/R4/search.html#sort)."""

from __future__ import annotations

from typing import Any, NamedTuple

from penstock.formats.fhir.searchparams import Indexed
from penstock.store.change import Resource
from penstock.store.layout import layout
from penstock.store.row import fold, limits
from penstock.store.search.parse import Query


class Order(NamedTuple):
    """An order in SQL: a column (``walk``), the same as an expression that no index gives (``plain``), and its SQL type."""

    walk: str
    plain: str
    type: str
    descending: bool


def order_of(query: Query) -> Order | None:
    """How SQL can order the query; None when it takes memory. Without ``_sort`` the oldest version comes first.

    In that order a page can be fetched while others write: what changes moves to the end, and is never skipped.
    """
    if not query.sort:
        return Order("r.rid", "(r.rid + 0)", "int8", False)
    if len(query.sort) > 1:
        return None
    [(param, descending)] = query.sort
    if param == "_lastUpdated":
        return Order("r.rid", "(r.rid + 0)", "int8", descending)
    if param == "_id":
        return Order('r.id collate "C"', 'r.id collate "C"', "text", descending)
    if param == layout(query.type).date:
        return Order("r.dlo", "(r.dlo + 0)", "int8", descending)
    return None


def sort_in_memory(found: list[tuple[Any, Resource, Indexed]], query: Query) -> list[tuple[Any, Resource, Indexed]]:
    """Order by every key of ``_sort``; what lacks a value comes last either way."""
    for param, descending in reversed(query.sort):
        keyed = [(_value(param, descending, resource, indexed), row) for row in found for _, resource, indexed in [row]]
        there = sorted((pair for pair in keyed if pair[0] is not None), key=lambda pair: pair[0], reverse=descending)
        found = [row for _, row in there] + [row for value, row in keyed if value is None]
    return found


def _value(param: str, descending: bool, resource: Resource, indexed: Indexed) -> Any:
    """The least value, or descending the greatest; values of one parameter are all of one kind."""
    if param == "_id":
        return resource["id"]
    if param == "_lastUpdated":
        return resource["meta"]["lastUpdated"]
    pick = max if descending else min
    for values in _values(param, indexed):
        if values:
            return pick(values)
    return None


def _values(param: str, indexed: Indexed) -> list[list[Any]]:
    return [
        [fold(text) for code, text in indexed.strings if code == param],
        [code for name, _, code in (*indexed.tokens, *indexed.identifiers) if name == param],
        [low for name, low, _ in indexed.dates if name == param],
        [sum(limits(low, high)) / 2 for name, low, high in indexed.numbers if name == param],
        [sum(limits(quantity[1], quantity[2])) / 2 for quantity in indexed.quantities if quantity[0] == param],
        [f"{type}/{id}" for name, type, id in indexed.refs if name == param],
        [uri for name, uri in indexed.uris if name == param],
    ]
