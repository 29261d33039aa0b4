"""Which way a query goes through the tables, chosen here from the counts of tokens instead of left to the planner.

* *collect*: a rare condition finds its rows by an index, the others filter them, and what remains is sorted.
* *walk*: the rows are read in the order that is asked for, every condition filters, and reading stops at the end of the page.

A condition that must not choose the index is written in a form that no index answers; so is the order, where rows are collected.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from penstock.store.hashing import tenant_number
from penstock.store.search.fragment import Fragment, Target
from penstock.store.search.sort import Order
from penstock.store.search.statistics import Counts

_COLUMNS = "r.rid, r.self, r.ver, r.id, r.content"


class After(NamedTuple):
    """Where the last page ended."""

    key: int | str
    self: int


def page_sql(target: Target, fragments: Sequence[Fragment], order: Order, counts: Counts, limit: int, after: After | None) -> str:
    """The statement that fetches up to ``limit`` rows after ``after``."""
    number = target.add(limit, "int8")
    base = _tail(target, order, after)
    halved = next((each for each in fragments if each.drive == "code" and each.halves[0]), None)
    if halved and order.walk == "r.dlo" and not any(each.drive == "few" for each in fragments):
        return _halves(target, fragments, halved, order, counts, number, base)
    return _select(target, fragments, order, _collects(fragments, order, counts, limit), number, base)


def count_sql(target: Target, fragments: Sequence[Fragment], counts: Counts, most: int | None = None) -> str:
    """The statement that counts, up to ``most`` where that is given."""
    where = _where(target, _conditions(fragments, _rarest(fragments, counts)))
    if most is None:
        return f"select count(*) from {target.layout.current} r where {where}"
    return f"select count(*) from (select 1 from {target.layout.current} r where {where} limit {target.add(most, 'int8')}) as few"


def _collects(fragments: Sequence[Fragment], order: Order, counts: Counts, limit: int) -> Fragment | None:
    """The condition that rows are collected by, or None to walk."""
    drivers = [each for each in fragments if each.drive == "few"]
    if drivers:
        return drivers[0]
    patient = next((each for each in fragments if each.drive == "patient"), None)
    if patient:
        return None if order.walk == "r.dlo" else patient  # its index is in the order of the date
    rarest = _rarest(fragments, counts)
    if rarest is None:
        return None
    hits = counts.share(rarest.tokens) * counts.rows
    passing = 1.0
    for each in fragments:
        passing *= max(counts.share(each.tokens), 1e-9) if each.tokens and each.drive else 1.0
    return None if hits > limit / passing else rarest


def _rarest(fragments: Sequence[Fragment], counts: Counts) -> Fragment | None:
    by_index = [each for each in fragments if each.drive in ("few", "patient")]
    by_tokens = [each for each in fragments if each.drive in ("tokens", "code")]
    return by_index[0] if by_index else min(by_tokens, key=lambda each: counts.share(each.tokens), default=None)


def _conditions(fragments: Sequence[Fragment], driver: Fragment | None) -> list[str]:
    return [each.sql if each is driver or not each.tokens else each.filter for each in fragments]


def _where(target: Target, conditions: Sequence[str]) -> str:
    return " and ".join((f"r.tenant = {target.add(tenant_number(target.tenant), 'int4')}", *conditions))


def _select(target: Target, fragments: Sequence[Fragment], order: Order, driver: Fragment | None, limit: str, tail: str) -> str:
    key = order.walk if driver is None else order.plain
    where = _where(target, _conditions(fragments, driver))
    return f"select {_COLUMNS}, {key} as key from {target.layout.current} r where {where}{tail.format(key=key)} limit {limit}"


def _tail(target: Target, order: Order, after: After | None) -> str:
    """The keyset condition and the order; ``{key}`` stands for the sort key. Ties are in the order of ``self``, which never changes."""
    direction, beyond = ("desc", "<") if order.descending else ("asc", ">")
    unique = order.walk == "r.rid"
    ordering = f" order by {{key}} {direction}" + ("" if unique else f", r.self {direction}")
    if after is None:
        return ordering
    key = target.add(after.key, order.type)
    if unique:
        return f" and {{key}} {beyond} {key}{ordering}"
    return f" and {{key}} {beyond}= {key} and ({{key}} {beyond} {key} or r.self {beyond} {target.add(after.self, 'int8')}){ordering}"


def _halves(target: Target, fragments: Sequence[Fragment], halved: Fragment, order: Order, counts: Counts, limit: str, tail: str) -> str:
    """Rows by the code column in the order of its index, and apart from them those that have the code as a further one."""
    rest = [each for each in fragments if each is not halved]
    column, tokens = halved.halves
    first = _select(target, [Fragment(column), *rest], order, None, limit, tail)
    further = Fragment(f"{tokens} and ({column}) is not true", drive="tokens", tokens=halved.tokens)
    walks = any(each.drive == "patient" for each in rest) or counts.share(halved.tokens) * counts.rows > 50_000
    second = _select(target, [further, *rest], order, None if walks else further, limit, tail)
    direction = "desc" if order.descending else "asc"
    return f"({first}) union all ({second}) order by key {direction}, self {direction} limit {limit}"
