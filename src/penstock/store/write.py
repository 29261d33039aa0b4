"""The one path by which resources change: lock what a batch names, apply its changes, write each table once.

One statement a table and type, not one a row. Rows are locked in one order, conditional criteria before rows, so that batches do not
deadlock. A resource that somebody else made meanwhile is found out by its unique ``self``: it is left alone, for another round.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from penstock.db import Tx
from penstock.errors import Problem
from penstock.store.batch import State, Version
from penstock.store.body import Bodies
from penstock.store.change import Key
from penstock.store.hashing import self_hash, tenant_number
from penstock.store.labels import know
from penstock.store.row import Row
from penstock.store.statements import SQL, statement

#: By (tenant, key).
States = dict[tuple[str, Key], State]


async def lock(tx: Tx, bodies: Bodies, keys: Iterable[tuple[str, Key]]) -> States:
    """The state of each (tenant, key), its current row locked until the transaction ends."""
    states: States = {(tenant, key): State(key, tenant, self_hash(tenant, *key)) for tenant, key in keys}
    by_type = sorted(states.values(), key=lambda state: (state.key[0], state.self))
    for type, group in groupby(by_type, key=lambda state: state.key[0]):
        missing = {state.self: state for state in group}
        for row in await tx.fetch(statement("lock", type), list(missing)):
            state = _own(missing.pop(row["self"]), row)
            if not bodies.knows(row["content"]):
                await bodies.load(tx)
            state.body, state.pat, state.tok, state.locked = bodies.unpack(row["content"]), row["pat"], row["tok"], row["rid"]
        if missing:
            for row in await tx.fetch(statement("newest_old", type), list(missing)):
                _own(missing[row["self"]], row)
    return states


def _own(state: State, row: Any) -> State:
    """Take version and rid of a row, after making sure that the hash stands for this very resource."""
    if row["id"] != state.key[1] or row["tenant"] != tenant_number(state.tenant):
        raise Problem("exception", "two resources have the same identity hash")
    state.ver, state.rid = row["ver"], row["rid"]
    return state


async def flush(tx: Tx, bodies: Bodies, states: Iterable[State]) -> list[State]:
    """Write what the batch made of ``states``; returns those of which nothing was written, because their row appeared after the lock."""
    changed = sorted((state for state in states if state.added), key=lambda state: (state.key[0], state.self))
    lost: list[State] = []
    final: list[Version] = []
    for type, group in groupby(changed, key=lambda state: state.key[0]):
        members = list(group)
        await _supersede(tx, type, members)
        taken = await put(tx, bodies, type, members)
        lost += [state for state in members if state.self in taken]
        members = [state for state in members if state.self not in taken]
        await _add_old(tx, bodies, type, members)
        final += [state.added[-1] for state in members]
    await add_side_rows(tx, [(version.rid, version.row) for version in final if version.row])
    return lost


async def _supersede(tx: Tx, type: str, states: Sequence[State]) -> None:
    known = [state for state in states if state.locked is not None]
    if known:
        await tx.execute(statement("keep", type), [state.self for state in known])
        await tx.execute(SQL["forget"], [state.locked for state in known])
        gone = [state.self for state in known if state.added[-1].row is None]
        if gone:
            await tx.execute(statement("remove", type), gone)


async def put(tx: Tx, bodies: Bodies, type: str, states: Sequence[State]) -> set[int]:
    """Create and update rows; returns the selves that somebody else has created."""
    rows = [(state, state.added[-1], row) for state in states if (row := state.added[-1].row) is not None]
    if not rows:
        return set()
    written = await tx.fetch(
        statement("put", type),
        numbers([version.rid for _, version, _ in rows]),
        numbers([state.self for state, _, _ in rows]),
        numbers([version.ver for _, version, _ in rows]),
        numbers([tenant_number(state.tenant) for state, _, _ in rows]),
        numbers([row.pat for _, _, row in rows]),
        numbers([row.code for _, _, row in rows]),
        numbers([row.dlo for _, _, row in rows]),
        numbers([row.dhi for _, _, row in rows]),
        numbers([row.number.num for _, _, row in rows]),
        numbers([row.number.common for _, _, row in rows]),
        numbers([row.number.unit for _, _, row in rows]),
        numbers([row.has for _, _, row in rows]),
        numbers([row.ix for _, _, row in rows]),
        [numbers(row.tok) for _, _, row in rows],
        [state.key[1] for state, _, _ in rows],
        [bodies.pack(version.body) for _, version, _ in rows],
        [state.locked for state, _, _ in rows if state.locked is not None],
    )
    if len(written) == len(rows):
        return set()
    return {state.self for state, _, _ in rows} - {row["self"] for row in written}


def numbers(values: Sequence[float | None]) -> str:
    """An array as text: the driver looks at each element of a list, which costs more than the server's reading of digits."""
    return f"{{{str(values)[1:-1].replace('None', 'null')}}}"


async def _add_old(tx: Tx, bodies: Bodies, type: str, states: Sequence[State]) -> None:
    rows = [(state, version) for state in states for version in state.added[:-1]]
    rows += [(state, state.added[-1]) for state in states if state.added[-1].row is None]
    if rows:
        await tx.execute(
            statement("add_old", type),
            [state.self for state, _ in rows],
            [version.ver for _, version in rows],
            [tenant_number(state.tenant) for state, _ in rows],
            [version.rid for _, version in rows],
            [state.key[1] for state, _ in rows],
            [bodies.pack(version.body) if version.row else None for _, version in rows],
        )


async def add_side_rows(tx: Tx, rows: Sequence[tuple[int, Row]]) -> None:
    """What versions, by rid, are found by in the side tables."""
    await know(tx, (label for _, row in rows for label in row.labels))
    idents = [(*each, rid) for rid, row in rows for each in row.ident]
    strings = [(*each, rid) for rid, row in rows for each in row.strings]
    ranges = [(*each, rid) for rid, row in rows for each in row.ranges]
    words = [(rid, numbers(row.words)) for rid, row in rows if row.words]
    for name, values in (("add_ident", idents), ("add_str", strings), ("add_rng", ranges), ("add_narrative", words)):
        if values:
            columns = map(list, zip(*values, strict=True))
            await tx.execute(SQL[name], *(column if isinstance(column[0], str) else numbers(column) for column in columns))
