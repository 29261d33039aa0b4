"""Which way a query goes through the tables, chosen here from the counts of tokens instead of left to the planner.

* *collect*: a rare condition finds its rows by an index, the others filter them, and what remains is sorted.
* *walk*: the rows are read in the order that is asked for, every condition filters, and reading stops at the end of the page. The rows of
  a code or a patient lie in the order of the date in an index of their own, those of a code also in the order of ``rid``.

A condition that must not choose the index is written in a form that no index answers; so is the order, where rows are collected.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, prod
from typing import NamedTuple

from penstock.store.hashing import h64
from penstock.store.keys import converted
from penstock.store.search.fragment import Fragment, Target
from penstock.store.search.sort import Key, Order
from penstock.store.search.statistics import Counts

_COLUMNS = "r.rid, r.self, r.ver, r.id, r.content"
#: Rows by tokens up to which they are collected beside a walk by the code; and beside one of a single patient's rows.
_BESIDE, _OF_PATIENT = 50_000, 200
#: So many times the rows that are wanted: then no index is needed to find them.
_OFTEN = 20


class After(NamedTuple):
    """A place in an order: behind the row with these keys and this ``self``, in a phase. ``back`` goes the other way from there.

    Without keys it is the beginning of the phase, or with ``back`` its end.
    """

    phase: int
    keys: tuple[int | float | str, ...]
    self: int
    back: bool = False


#: Share of the rows up to which those of a long list of tokens are looked up one token at a time.
_LISTED = 0.05


class Branch(NamedTuple):
    """One type's side of a search. The targets of all branches share their arguments."""

    target: Target
    fragments: Sequence[Fragment]
    counts: Counts

    @property
    def exact(self) -> bool:
        """Whether SQL decides everything."""
        return all(each.exact for each in self.fragments)

    @property
    def conditions(self) -> list[Fragment]:
        """The fragments, those taken apart that consist of others."""
        return [part for each in self.fragments for part in _taken_apart(each)]

    def hits(self, fragment: Fragment) -> float:
        """About how many rows have one of the tokens of a fragment."""
        return self.counts.share(fragment.tokens) * self.counts.rows


def _taken_apart(fragment: Fragment) -> list[Fragment]:
    return [part for each in fragment.parts for part in _taken_apart(each)] or [fragment]


def probe_sql(branch: Branch, condition: str, keys: Sequence[int]) -> str:
    """The statement that says for which of the ``keys`` there is a row of the branch under the condition on ``k.key``: their places."""
    target = branch.target
    placeholder = target.add(list(keys), "int8[]")
    where = _where(target, [condition, *_conditions(branch, None)])
    return (
        f"select k.n from unnest({placeholder}) with ordinality k (key, n)"
        f" where exists (select 1 from {target.layout.current} r where {where} offset 0)"
    )


class Statement(NamedTuple):
    """A statement; ``sorted`` says that the planner must not sort what an index gives in order."""

    sql: str
    sorted: bool = False


def page_sql(branches: Sequence[Branch], order: Order, limit: int, after: After) -> Statement:
    """The statement that fetches up to ``limit`` rows from ``after`` on; with several types, merged."""
    number = branches[0].target.add(limit, "int8")
    if len(branches) == 1:
        return _Select(branches[0], order, after, number, 0).statement(limit)
    each = " union all ".join(f"({_Select(branch, order, after, number, n).statement(limit).sql})" for n, branch in enumerate(branches))
    ordering = _ordering(order, after.back, [f"key{n}" for n in range(len(order.keys))], "self")
    return Statement(f"{each} order by {ordering} limit {number}")


def count_sql(branch: Branch, most: int | None = None) -> str:
    """The statement that counts, up to ``most`` where that is given."""
    target = branch.target
    source = f"from {target.layout.current} r where {_where(target, _conditions(branch, _rarest(branch)))}"
    if most is None:
        return f"select count(*) {source}"
    return f"select count(*) from (select 1 {source} limit {target.add(most, 'int8')}) as few"


def list_sql(branch: Branch, columns: str, limit: int) -> str:
    """The statement that fetches ``columns`` of up to ``limit`` rows, in no order."""
    target, driver = branch.target, _rarest(branch)
    if driver and driver.tokens and branch.hits(driver) > _OFTEN * limit:
        driver = None  # reading any rows soon finds as many as are wanted
    where = _where(target, _conditions(branch, driver))
    return f"select {columns} from {target.layout.current} r where {where} limit {target.add(limit, 'int8')}"


class _Select:
    """The select of one branch."""

    def __init__(self, branch: Branch, order: Order, after: After, number: str, part: int) -> None:
        self._branch = branch
        self._target = branch.target
        self._order = order
        self._after = after
        self._number = number
        self._part = part
        self._params: dict[tuple[str, str], str] = {}

    def statement(self, limit: int) -> Statement:
        fragments = self._branch.conditions
        if self._order.keys[0].walk == "r.dlo":
            listed = next((each for each in fragments if each.patients), None)
            if listed:
                return Statement(self._by_patient(listed))
        halved = _halved(self._branch, self._order, limit)
        if halved:
            return Statement(self._halves(halved))
        driver = _collects(self._branch, self._order, limit)
        return Statement(self._select(fragments, driver), driver is None and self._order.indexed)

    def _select(self, fragments: Sequence[Fragment], driver: Fragment | None) -> str:
        order, target = self._order, self._target
        through = bool(order.join) and driver is None
        keys = [self._named(key.walk if driver is None and n == 0 else key.plain, key) for n, key in enumerate(order.keys)]
        conditions = [*_conditions(self._branch._replace(fragments=fragments), driver, probing=True)]
        phase = order.joined if through else order.where
        if order.about is not None and phase:
            conditions.append(self._named(phase, order.about))
        conditions += self._beyond(keys)
        listed = ", ".join(f"{key} as key{n}" for n, key in enumerate(keys))
        source = f"{target.layout.current} r{' ' + order.join if through else ''}"
        ordering = _ordering(order, self._after.back, keys, "r.self")
        return (
            f"select {self._part} as part, {_COLUMNS}, {listed} from {source} where {_where(target, conditions)}"
            f" order by {ordering} limit {self._number}"
        )

    def _named(self, expression: str, key: Key) -> str:
        """An expression with its parameter as an argument, which every use of it shares."""
        for name in ("{param}", "{common}"):
            if name in expression:
                if (name, key.param) not in self._params:
                    self._params[name, key.param] = self._argument(name, key.param)
                expression = expression.replace(name, self._params[name, key.param])
        return expression

    def _argument(self, name: str, param: str) -> str:
        return self._target.param(param) if name == "{param}" else self._target.add(h64(converted(self._target.prefix(param))), "int8")

    def _beyond(self, keys: Sequence[str]) -> list[str]:
        """The keyset condition: rows behind the last one, by the first key that differs."""
        after, order = self._after, self._order
        if not after.keys:
            return []
        rows = [*zip(keys, after.keys, order.keys, strict=True)]
        signs = [">" if key.descending == after.back else "<" for key in order.keys]
        condition = "" if order.unique else f"r.self {signs[-1]} {self._target.add(after.self, 'int8')}"
        for (expression, value, key), sign in reversed([*zip(rows, signs, strict=True)]):
            place = self._target.add(value, key.type)
            further = f" and ({expression} {sign} {place} or {condition})" if condition else ""
            condition = f"({expression} {sign}{'=' if condition else ''} {place}{further})"
        return [condition]

    def _by_patient(self, listed: Fragment) -> str:
        """The first rows of each patient, in the order of the patient's index, merged: however many rows they have."""
        rest = [each for each in self._branch.conditions if each is not listed]
        each = self._select([Fragment("r.pat = p.pat", drive="patient"), *(one._replace(drive="") for one in rest)], None)
        ordering = _ordering(self._order, self._after.back, [f"key{n}" for n in range(len(self._order.keys))], "self")
        return f"select l.* from unnest({listed.patients}) p (pat) cross join lateral ({each}) l order by {ordering} limit {self._number}"

    def _halves(self, halved: Fragment) -> str:
        """Rows by the code column in the order of its index, and apart from them those that have the code as a further one."""
        rest = [each for each in self._branch.conditions if each is not halved]
        column, tokens = halved.halves
        first = self._by_column(column, rest)
        further = Fragment(f"{tokens} and ({column}) is not true", drive="tokens", tokens=halved.tokens)
        most = _OF_PATIENT if any(each.drive == "patient" for each in rest) else _BESIDE
        walks = self._branch.counts.further(halved.tokens) > most
        second = self._select([further, *rest], None if walks else further)
        ordering = _ordering(self._order, self._after.back, [f"key{n}" for n in range(len(self._order.keys))], "self")
        return f"{' union all '.join(f'({each})' for each in (*first, second))} order by {ordering} limit {self._number}"

    def _by_column(self, column: str, rest: Sequence[Fragment]) -> list[str]:
        """The rows of one code; where a number is asked for, those that have it in the index, and apart from them those that do not."""
        if not any(each.plain for each in rest):
            return [self._select([Fragment(column), *rest], None)]
        plain = [Fragment(each.plain) if each.plain else each for each in rest]
        return [self._select([Fragment(column), *plain], None), self._select([Fragment(column), Fragment("r.num = 'NaN'"), *rest], None)]


def _ordering(order: Order, back: bool, keys: Sequence[str], self: str) -> str:
    directions = ["desc" if key.descending != back else "asc" for key in order.keys]
    named = [*zip(keys, directions, strict=True)]
    if not order.unique:
        named.append((self, directions[-1]))
    return ", ".join(f"{key} {direction}" for key, direction in named)


def _halved(branch: Branch, order: Order, limit: int) -> Fragment | None:
    """The condition whose column is walked in the order that is asked for: a patient's, who has fewer rows than a code, else the code's."""
    fragments = branch.conditions
    if any(each.drive == "few" and not each.plain for each in fragments):
        return None
    patient = any(each.drive == "patient" for each in fragments)
    halved = {each.halves[0].partition(" ")[0]: each for each in fragments if each.halves[0]}
    if order.keys[0].walk == "r.dlo":
        return halved.get("r.pat", halved.get("r.code"))
    code = halved.get("r.code")
    if patient or code is None or order.keys[0].walk != "r.rid":
        return None
    others = [each for each in fragments if each is not code and each.tokens and each.drive]
    rarest = min(map(branch.hits, others), default=inf)
    return None if rarest < min(branch.hits(code), limit / _passing(branch, others)) else code


def _collects(branch: Branch, order: Order, limit: int) -> Fragment | None:
    """The condition that rows are collected by, or None to walk."""
    rarest = _rarest(branch)
    if rarest is None or (rarest.drive == "patient" and order.keys[0].walk == "r.dlo"):
        return None  # the index of the patient is in the order of the date
    if rarest.drive in ("few", "patient"):
        return rarest
    return None if branch.hits(rarest) > limit / _passing(branch, branch.conditions) else rarest


def _passing(branch: Branch, fragments: Sequence[Fragment]) -> float:
    """About which share of the rows has what the fragments ask for, as far as tokens say."""
    return prod(max(branch.counts.share(each.tokens), 1e-9) for each in fragments if each.tokens and each.drive)


#: Ways to find rows by an index other than that of tokens, best first: many resources may have one number.
_BY_INDEX = ("few", "patient", "number")


def _rarest(branch: Branch) -> Fragment | None:
    by_index = {"number" if each.drive and each.plain else each.drive: each for each in reversed(branch.conditions)}
    by_tokens = [each for each in branch.conditions if each.drive in ("tokens", "code")]
    found = next((by_index[way] for way in _BY_INDEX if way in by_index), None)
    return found or min(by_tokens, key=lambda each: branch.counts.share(each.tokens), default=None)


def _conditions(branch: Branch, driver: Fragment | None, *, probing: bool = False) -> list[str]:
    """The conditions, each in the form that suits: that of the driver finds rows, the others are asked of rows."""
    return [_finding(branch, each) if each is driver else _asking(each, probing) for each in branch.conditions]


def _finding(branch: Branch, driver: Fragment) -> str:
    return driver.listed if driver.listed and branch.counts.share(driver.tokens) < _LISTED else driver.sql


def _asking(fragment: Fragment, probing: bool) -> str:
    if fragment.probe and (probing or fragment.plain):
        return fragment.probe
    return fragment.filter if fragment.tokens else fragment.sql


def _where(target: Target, conditions: Sequence[str]) -> str:
    return " and ".join((f"r.tenant = {target.tenant_number()}", *conditions))
