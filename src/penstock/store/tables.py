"""The tables of a resource type, made when the type is first used, outside of the transaction that writes."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.db import Database, Tx
from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.store.index import Index, note_empty
from penstock.store.layout import Layout, layout

#: Columns of a current row, in order, with their SQL types. ``pat`` to ``unit`` are the hot columns (see layout; the last three are a
#: quantities.Number), ``has`` and ``ix`` say which parameters have a value and by which the row is indexed (see row).
COLUMNS: dict[str, str] = {
    "rid": "int8",
    "self": "int8",
    "ver": "int4",
    "tenant": "int4",
    "pat": "int8",
    "code": "int8",
    "dlo": "int8",
    "dhi": "int8",
    "num": "float8",
    "common": "float8",
    "unit": "int8",
    "has": "int8",
    "ix": "int4",
    "tok": "int8[]",
    "id": "text",
    "content": "bytea",
}

_TABLES = """
create table if not exists {current} (
    rid int8 primary key, self int8 not null, ver int4 not null, tenant int4 not null,
    pat int8, code int8, dlo int8, dhi int8, num float8, common float8, unit int8, has int8 not null default 0, ix int4 not null default 0,
    tok int8[] not null, id text not null, content bytea not null
) with (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
alter table {current} alter column content set storage external, alter column tok set statistics 1000;
create unique index if not exists {current}_self on {current} (self);
create index if not exists {current}_tok on {current} using gin (tok) with (fastupdate = on, gin_pending_list_limit = 256);
create table if not exists {old} (
    self int8 not null, ver int4 not null, tenant int4 not null, rid int8 not null, id text not null, content bytea,
    primary key (self, ver)
) with (autovacuum_vacuum_insert_scale_factor = 0.05);
alter table {old} alter column content set storage external;
create unique index if not exists {old}_rid on {old} (rid);
"""

_INDEX = "create index if not exists {current}_{name} on {current} ({columns}) where {where};\n"
#: A number in the unit that it is compared in.
_COMPARED = "(coalesce(common, num))"


def _hot_indexes(shape: Layout) -> dict[str, tuple[tuple[str, ...], str]]:
    """Name to columns of the b-trees that this type can use, and to which rows are in them.

    The rows of a patient and of a code are walked by the date, those of a code also by ``rid``. What stands behind that filters there.
    """
    patient = bool(shape.patients) or shape.type == "Patient"
    code, date = ("code",) if shape.code else (), ("dlo",) if shape.date else ()
    number = ("num", _COMPARED) if shape.number else ()
    wanted: dict[str, tuple[tuple[str, ...], str]] = {}
    if patient:
        wanted["pat"] = ("pat", *date, *(code if date else ())), "pat is not null"
    if code:
        wanted["code_rid"] = ("code", "rid", *(("dhi",) if date else ()), *number), "code is not null"
    if code and date:
        wanted["code"] = ("code", "dlo"), "code is not null"
    if date:
        wanted["dlo"] = ("dlo",), "dlo is not null"
    if number:
        wanted["num"] = (_COMPARED,), "num is not null"
        wanted["written"] = ("num",), "common is not null"
        wanted["ranged"] = ("code", "rid"), "num = 'NaN'"
    return wanted


def ddl(type: str) -> str:
    """The statements that make the tables and indexes of a type; harmless when they exist."""
    shape = layout(type)
    indexes = (
        _INDEX.format(current=shape.current, name=name, columns=", ".join(columns), where=where)
        for name, (columns, where) in _hot_indexes(shape).items()
    )
    return _TABLES.format(current=shape.current, old=shape.old) + "".join(indexes)


class Tables:
    """Which types have tables, as far as this process knows."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._ready: set[str] = set()

    async def ensure(self, database: Database, types: Iterable[str]) -> None:
        """Make the tables of ``types`` that are missing. An advisory lock keeps programs that start together from racing."""
        for type in sorted(set(types) - self._ready):
            require_type(type)
            async with database.transaction() as tx:
                if not await self.exist(tx, type):
                    await tx.execute("select pg_advisory_xact_lock(hashtext('penstock.store.tables'))")
                    await tx.execute("set local client_min_messages = error; set local lock_timeout = '5s'")
                    await tx.execute(ddl(type))
                    await note_empty(tx, self._index, type)
            self._ready.add(type)

    async def exist(self, tx: Tx, type: str) -> bool:
        """Whether the tables of ``type`` are there; a type that nobody has stored has none, and nothing to read."""
        if type not in self._ready:
            if not await tx.fetchval("select to_regclass($1) is not null", layout(type).old):
                return False
            self._ready.add(type)
        return True

    def require(self, types: Iterable[str]) -> None:
        """Refuse to write types that were not ensured: tables are never made inside a transaction that writes."""
        if not self._ready.issuperset(types):
            raise Problem("no-store", "the tables of this resource type are not made yet")

    async def all(self, tx: Tx) -> list[str]:
        """Every type that is in use, whoever made its tables."""
        names = {layout(type).old: type for type in r4().resource_types}
        rows = await tx.fetch("select relname from pg_class where relkind = 'r' and relname = any($1::text[])", list(names))
        found = sorted(names[row["relname"]] for row in rows)
        self._ready.update(found)
        return found


def require_type(type: str) -> None:
    """Refuse what is no resource type of R4: names of tables are made of it."""
    if type not in r4().resource_types:
        raise Problem("not-supported", "this is not a resource type of FHIR R4")
