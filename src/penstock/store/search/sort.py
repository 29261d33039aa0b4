"""``_sort``: the orders that SQL makes, and those that are made in memory (http://hl7.org/fhir/R4/search.html#sort).

A resource without a value comes after all that have one, in either direction. Resources that are equal by every key are in the order of
``self``, which never changes: pages neither skip nor repeat what does not change. An order comes in *phases*: those that have a value for
the first key, then those that have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from penstock.formats.fhir.searchparams import R4, Indexed, Parameters
from penstock.store.change import Resource
from penstock.store.keys import fold
from penstock.store.layout import UNIONS, layout
from penstock.store.quantities import limits, quantity_rows
from penstock.store.row import UNDATED
from penstock.store.search.types import KINDS

Sort = tuple[tuple[str, bool], ...]


class Key(NamedTuple):
    """One sort key over a row ``r``: as an index gives it (``walk``), as an expression that no index gives (``plain``), its SQL type.

    ``{param}`` in an expression stands for the parameter that ``param`` names, ``{common}`` for its quantities in common units.
    """

    walk: str
    plain: str
    type: str
    descending: bool
    param: str = ""


class Order(NamedTuple):
    """One phase of an order. ``join`` is what walking by the first key needs besides ``r``, ``where`` which rows the phase is about.

    ``about`` is the key whose parameter ``where`` names.
    """

    keys: tuple[Key, ...]
    where: str = ""
    about: Key | None = None
    join: str = ""
    #: The condition instead of ``where`` when the phase is walked through ``join``.
    joined: str = ""

    @property
    def indexed(self) -> bool:
        """Whether an index gives the first key only, and rows that are equal by it must be put in order among themselves."""
        return bool(self.join) or (len(self.keys) > 1 and self.keys[0].walk in ("r.dlo", "r.rid"))

    @property
    def unique(self) -> bool:
        """Whether the keys alone tell any two resources apart."""
        return self.keys[-1].walk == "r.rid"


def rid(*, descending: bool = False) -> Key:
    """The order of versions in time."""
    return Key("r.rid", "(r.rid + 0)", "int8", descending)


OLDEST_FIRST = Order((rid(),))


def orders_of(types: Sequence[str], sort: Sort, parameters: Parameters = R4) -> tuple[Order, ...] | None:
    """The phases of an order; None when it takes memory. Without ``_sort`` the oldest version comes first.

    In that order a page can be fetched while others write: what changes moves to the end, and is never skipped.
    """
    if not sort:
        return (OLDEST_FIRST,)
    keys = [_key(parameters, types, param, descending) for param, descending in sort]
    if any(key is None for key in keys):
        return None
    return _phases(tuple(key for key in keys if key is not None))


def _key(parameters: Parameters, types: Sequence[str], param: str, descending: bool) -> Key | None:
    if param == "_lastUpdated":
        return rid(descending=descending)
    if param == "_id":
        return Key('r.id collate "C"', 'r.id collate "C"', "text", descending)
    if len(types) > 1 or (types[0], param) in UNIONS:
        return None
    if param == layout(types[0]).date:
        return Key("r.dlo", _dated(descending), "int8", descending)
    definition = parameters.of(types[0]).get(param)
    kind = KINDS.get(param, definition.type) if definition else ""
    if kind not in _SIDES:
        return None
    key = _SIDES[kind](param, descending)
    return _or_column(key) if param == layout(types[0]).number else key


def _dated(descending: bool) -> str:
    """The date, with none after all others."""
    return "(r.dlo + 0)" if descending else f"coalesce(nullif(r.dlo, {UNDATED}), {-UNDATED})"


def _text(param: str, descending: bool) -> Key:
    value = f"(select {_pick(descending)}(s.val) from str s where s.rid = r.rid and s.param = {{param}})"
    last = "''" if descending else "U&'\\+10FFFF'"
    return Key("s.val", f"coalesce({value}, {last})", "text", descending, param)


def _range(param: str, descending: bool) -> Key:
    last = "'-infinity'" if descending else "'infinity'"
    return Key("s.lo", f"coalesce({_least('{param}', descending)}, {last})", "float8", descending, param)


def _quantity(param: str, descending: bool) -> Key:
    """By the number in the common unit of its dimension, where there is one: rows of several units have no index in that order."""
    key = _range(param, descending)
    value = key.plain.replace("coalesce(", f"coalesce({_least('{common}', descending)}, ")
    return key._replace(walk=value, plain=value)


def _or_column(key: Key) -> Key:
    """The number in columns of its own comes before any range."""
    value = key.plain.replace("coalesce(", "coalesce(nullif(coalesce(r.common, r.num), 'NaN'), ", 1)
    return key._replace(walk=value, plain=value)


def _least(param: str, descending: bool) -> str:
    """Of several values the least, descending the greatest."""
    return f"(select {_pick(descending)}(s.lo) from rng s where s.rid = r.rid and s.param = {param})"


def _pick(descending: bool) -> str:
    return "max" if descending else "min"


#: How a parameter that lives in a side table is a key, by its type.
_SIDES = {"string": _text, "date": _range, "number": _range, "quantity": _quantity}


def _phases(keys: tuple[Key, ...]) -> tuple[Order, ...]:
    first, rest = keys[0], tuple(key._replace(walk=key.plain) if key.param else key for key in keys[1:]) or (rid(),)
    if first.walk == "r.dlo" and not first.descending:
        return Order(keys, f"r.dlo > {UNDATED}", first), Order(rest, f"r.dlo = {UNDATED}", first)
    if first.walk == "r.dlo":
        return (Order(keys, "r.dlo is not null", first),)  # every row has it; the index is told so
    if first.walk.startswith("s."):
        return _through(first, keys), Order(rest, f"not {_exists(first)}", first)
    return (Order(keys),)


def _exists(key: Key) -> str:
    return f"exists (select 1 from {_table(key)} s where s.rid = r.rid and s.param = {{param}})"


def _table(key: Key) -> str:
    return "str" if key.type == "text" else "rng"


def _through(first: Key, keys: tuple[Key, ...]) -> Order:
    """Rows in the order of the side table's index, each at the first of its values."""
    table, beyond = _table(first), ">" if first.descending else "<"
    earlier = f"t.rid = s.rid and t.param = s.param and t.{first.walk[2:]} {beyond} {first.walk}"
    unit = "" if table == "str" else " and s.unit = 0"
    joined = f"s.param = {{param}}{unit} and not exists (select 1 from {table} t where {earlier})"
    return Order(keys, _exists(first), first, f"join {table} s on s.rid = r.rid", joined)


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
        [[*quantity_rows("", *quantity[1:7])][-1][2] for quantity in indexed.quantities if quantity[0] == param],
        [f"{type}/{id}" for name, type, id in indexed.refs if name == param],
        [uri for name, uri in (*indexed.uris, *indexed.ref_urls) if name == param],
    ]
