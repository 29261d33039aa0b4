"""Migrations: files ``0007_pre_what.sql`` (before the new code) and ``0008_post_what.sql`` (after it), forward only.

Each file is one transaction under a lock timeout, recorded with its hash in the same transaction: a program killed in the middle
leaves nothing of the file. An advisory lock keeps two starting programs from racing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.resources import files

from penstock.db.pool import Database, Tx
from penstock.errors import Problem

_LOCK = 0x70656E73746F636B  # "penstock"
_LONG_S = 3600.0  # a migration may rewrite a big table

_RECORD = """create table if not exists migration (
    name text primary key, hash text not null, applied_at timestamptz not null default now()
)"""


def migrations() -> list[tuple[str, str]]:
    """(file name, SQL) of every migration, in order."""
    folder = files("penstock.db") / "migrations"
    return sorted((file.name, file.read_text(encoding="utf-8")) for file in folder.iterdir() if file.name.endswith(".sql"))


async def migrate(database: Database) -> list[str]:
    """Bring the schema up to date; the names of the files that were applied now."""
    async with database.connection() as tx:
        await tx.execute("select pg_advisory_lock($1)", _LOCK, timeout=_LONG_S)
        try:
            await tx.execute(_RECORD)
            known = {row["name"]: row["hash"] for row in await tx.fetch("select name, hash from migration")}
            ours = {name: (sql, hashlib.sha256(sql.encode()).hexdigest()) for name, sql in migrations()}
            _check(known, {name: digest for name, (_, digest) in ours.items()})
            applied = [name for name in ours if name not in known]
            for name in applied:
                await _apply(tx, name, *ours[name])
        finally:
            await tx.execute("select pg_advisory_unlock($1)", _LOCK)
    return applied


def _check(known: Mapping[str, str], ours: Mapping[str, str]) -> None:
    """Refuse a schema that is not ours: a file that changed since, or one of a newer program that this one cannot work with.

    A newer program's *pre* migrations suit the running older one, so that a fleet can be upgraded one by one.
    """
    for name, digest in known.items():
        if name in ours and ours[name] != digest:
            raise Problem("no-store", f"migration {name} was changed after it had been applied")
        if name not in ours and "_post_" in name:
            raise Problem("no-store", "the database was upgraded by a newer Penstock")


async def _apply(tx: Tx, name: str, sql: str, digest: str) -> None:
    async with tx.transaction():
        await tx.execute("set local lock_timeout = '5s'")
        await tx.execute(sql, timeout=_LONG_S)
        await tx.execute("insert into migration (name, hash) values ($1, $2)", name, digest)
