"""``_sort``: the orders that SQL makes, and those that are made in memory (http://hl7.org/fhir/R4/search.html#sort).

A resource without a value comes after all that have one, in either direction. Resources that are equal by every key are in the order of
``self``, which never changes: pages neither skip nor repeat what does not change. An order comes in *phases*: those that have a value for
the first key, then those that have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.searchparams import Indexed
from penstock.store.change import Resource
from penstock.store.layout import UNIONS, layout
from penstock.store.row import UNDATED, fold, limits
from penstock.store.search.types import KINDS

Sort = tuple[tuple[str, bool], ...]


class Key(NamedTuple):
    """One sort key over a row ``r``: as an index gives it (``walk``), as an expression that no index gives (``plain``), its SQL type.

    ``{param}`` in an expression stands for the parameter that ``param`` names.
    """

    walk: str
    plain: str
    type: str
    descending: bool
    param: str = ""


class Order(NamedTuple):
    """One phase of an order. ``join`` is what walking by the first key needs besides ``r``, ``where`` which rows the phase is about."""

    keys: tuple[Key, ...]
    where: str = ""
    join: str = ""
    #: The condition instead of ``where`` when the phase is walked through ``join``.
    joined: str = ""

    @property
    def unique(self) -> bool:
        """Whether the keys alone tell any two resources apart."""
        return self.keys[-1].walk == "r.rid"


def rid(*, descending: bool = False) -> Key:
    """The order of versions in time."""
    return Key("r.rid", "(r.rid + 0)", "int8", descending)


OLDEST_FIRST = Order((rid(),))


def orders_of(types: Sequence[str], sort: Sort) -> tuple[Order, ...] | None:
    """The phases of an order; None when it takes memory. Without ``_sort`` the oldest version comes first.

    In that order a page can be fetched while others write: what changes moves to the end, and is never skipped.
    """
    if not sort:
        return (OLDEST_FIRST,)
    keys = [_key(types, param, descending) for param, descending in sort]
    if any(key is None for key in keys):
        return None
    return _phases(tuple(key for key in keys if key is not None))


def _key(types: Sequence[str], param: str, descending: bool) -> Key | None:
    if param == "_lastUpdated":
        return rid(descending=descending)
    if param == "_id":
        return Key('r.id collate "C"', 'r.id collate "C"', "text", descending)
    if len(types) > 1 or (types[0], param) in UNIONS:
        return None
    if param == layout(types[0]).date:
        return Key("r.dlo", _dated(descending), "int8", descending)
    definition = r4().search_params(types[0]).get(param)
    kind = KINDS.get(param, definition.type) if definition else ""
    return _SIDES[kind](param, descending) if kind in _SIDES else None


def _dated(descending: bool) -> str:
    """The date, with none after all others."""
    return "(r.dlo + 0)" if descending else f"coalesce(nullif(r.dlo, {UNDATED}), {-UNDATED})"


def _side(table: str, column: str, type: str, least: str, greatest: str) -> Any:
    """Keys by a side table: of several values the least, descending the greatest."""

    def key(param: str, descending: bool) -> Key:
        pick, last = ("max", least) if descending else ("min", greatest)
        value = f"(select {pick}(s.{column}) from {table} s where s.rid = r.rid and s.param = {{param}})"
        return Key(f"s.{column}", f"coalesce({value}, {last})", type, descending, param)

    return key


_TEXT = _side("str", "val", "text", "''", "U&'\\+10FFFF'")
_RANGE = _side("rng", "lo", "float8", "'-infinity'", "'infinity'")
_SIDES: dict[str, Any] = {"string": _TEXT, "date": _RANGE, "number": _RANGE, "quantity": _RANGE}


def _phases(keys: tuple[Key, ...]) -> tuple[Order, ...]:
    first, rest = keys[0], keys[1:] or (rid(),)
    if first.walk == "r.dlo" and not first.descending:
        return Order(keys, f"r.dlo > {UNDATED}"), Order(rest, f"r.dlo = {UNDATED}")
    if first.walk.startswith("s."):
        return _through(first, keys), Order(rest, f"not {_exists(first)}")
    return (Order(keys),)


def _exists(key: Key) -> str:
    return f"exists (select 1 from {_table(key)} s where s.rid = r.rid and s.param = {{param}})"


def _table(key: Key) -> str:
    return "str" if key.type == "text" else "rng"


def _through(first: Key, keys: tuple[Key, ...]) -> Order:
    """Rows in the order of the side table's index, each at the first of its values."""
    table, beyond = _table(first), ">" if first.descending else "<"
    earlier = f"t.rid = s.rid and t.param = s.param and t.{first.walk[2:]} {beyond} {first.walk}"
    joined = f"s.param = {{param}} and not exists (select 1 from {table} t where {earlier})"
    return Order(keys, _exists(first), f"join {table} s on s.rid = r.rid", joined)


def sort_in_memory(found: list[tuple[Any, Resource, Indexed]], sort: Sort) -> list[tuple[Any, Resource, Indexed]]:
    """Order by every key of ``_sort``; what lacks a value comes last either way."""
    for param, descending in reversed(sort):
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
        [limits(low, high)[0] for name, low, high in indexed.numbers if name == param],
        [limits(quantity[1], quantity[2])[0] for quantity in indexed.quantities if quantity[0] == param],
        [f"{type}/{id}" for name, type, id in indexed.refs if name == param],
        [uri for name, uri in (*indexed.uris, *indexed.ref_urls) if name == param],
    ]
