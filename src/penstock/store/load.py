"""Bulk loading: many resources under their own ids, those that are new by COPY.

It writes what every other write writes (version, search values, event, in one transaction) and answers in the same words; it only knows
that what is new has no history, no condition and nobody who waits for its lock. What is there already goes the usual way, so that a load
that was cut off is simply done again: what it had loaded is the same and makes no version.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from penstock.db import Tx, named_sql
from penstock.errors import Problem
from penstock.store.batch import Item, State, Uphold, apply
from penstock.store.body import Bodies
from penstock.store.change import Written
from penstock.store.compartment import SHARED
from penstock.store.hashing import self_hash, tenant_number
from penstock.store.index import Index
from penstock.store.layout import layout
from penstock.store.rid import Rids
from penstock.store.tables import COLUMNS
from penstock.store.write import add_side_rows, numbers, put

_SQL = named_sql(__package__, "load.sql")
_COLUMNS = tuple(COLUMNS)


async def fresh(tx: Tx, tenant: str, keys: Sequence[tuple[str, str]]) -> set[int]:
    """The places among ``keys`` of resources that nobody has stored; of several with one key the first."""
    first: dict[tuple[str, str], int] = {}
    for place, key in enumerate(keys):
        first.setdefault(key, place)
    found: set[int] = set()
    for type, group in groupby(sorted(first.items()), key=lambda pair: pair[0][0]):
        places = {self_hash(tenant, *key): place for key, place in group}
        taken = await tx.fetch(_of(type, "taken"), numbers(list(places)))
        found |= set(places.values()) - {places[row["self"]] for row in taken}
    return found


def create(item: Item, index: Index, uphold: Uphold, rids: Rids) -> tuple[State, Written]:
    """The first version of a resource."""
    change = item.change
    assert change.id is not None
    key = change.type, change.id
    state = State(key, item.access.tenant, self_hash(item.access.tenant, *key), index=index, uphold=uphold)
    return state, apply(state, item, rids)


async def copy(tx: Tx, bodies: Bodies, states: Sequence[State]) -> list[State]:
    """Write first versions; returns those that somebody else has stored meanwhile. That is expected of types that are no patient's own,
    which come with many patients at once; with any other it fails the transaction.

    Rows go in the order of type and ``self``, as everywhere, so that two loads never wait for each other in a ring. What is expected to be
    waited for comes last.
    """
    lost: list[State] = []
    for (shared, type), group in groupby(sorted(states, key=_order), key=lambda state: _order(state)[:2]):
        members = list(group)
        if shared:
            taken = await put(tx, bodies, type, members)
            lost += [state for state in members if state.self in taken]
        else:
            await tx.copy_records_to_table(layout(type).current, records=[_record(each, bodies) for each in members], columns=_COLUMNS)
    kept = [state for state in states if state not in lost] if lost else states
    await add_side_rows(tx, [(state.rid, row) for state in kept if (row := state.added[-1].row) is not None])
    return lost


def _order(state: State) -> tuple[bool, str, int]:
    return state.key[0] in SHARED, state.key[0], state.self


def _record(state: State, bodies: Bodies) -> tuple[object, ...]:
    """The values of :data:`COLUMNS`."""
    ver, rid, body, row = state.added[-1]
    if row is None:
        raise Problem("exception", "a first version is never a deletion")
    tenant = tenant_number(state.tenant)
    content = bodies.pack(body)
    hot = row.pat, row.code, row.dlo, row.dhi, *row.number
    return rid, state.self, ver, tenant, *hot, row.has, row.ix, row.tok, state.key[1], content


async def analyze(tx: Tx, types: Iterable[str]) -> None:
    """Tell the planner what was loaded: before it knows, it chooses badly."""
    for type in sorted(types):
        await tx.execute(_of(type, "analyze"))
    await tx.execute(_SQL["analyze_shared"])


def _of(type: str, name: str) -> str:
    shape = layout(type)
    return _SQL[name].replace("{current}", shape.current).replace("{old}", shape.old)
