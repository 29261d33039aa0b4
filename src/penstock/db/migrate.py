"""Migrations: files ``0007_pre_what.sql`` (before the new code) and ``0008_post_what.sql`` (after it), forward only.

Each file is one transaction under a lock timeout; an advisory lock keeps two starting programs from racing. Applied files
are recorded with a hash: a file that changed after it was applied refuses to start.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files

from penstock.db.pool import Database, Tx
from penstock.errors import Problem

_LOCK = 0x70656E73746F636B  # "penstock"


def migrations() -> list[tuple[str, str]]:
    """(file name, SQL) of every migration, in order."""
    folder = files("penstock.db") / "migrations"
    return sorted((file.name, file.read_text(encoding="utf-8")) for file in folder.iterdir() if file.name.endswith(".sql"))


async def migrate(database: Database) -> list[str]:
    """Bring the schema up to date; the names of the files that were applied now."""
    applied = []
    async with database.connection() as tx:
        await tx.execute("select pg_advisory_lock($1)", _LOCK)
        try:
            await tx.execute(
                "create table if not exists migration (name text primary key, hash text not null, applied_at timestamptz not null default now())"
            )
            known = {row["name"]: row["hash"] for row in await tx.fetch("select name, hash from migration")}
            for name, sql in migrations():
                digest = hashlib.sha256(sql.encode()).hexdigest()
                if name not in known:
                    await _apply(tx, name, sql, digest)
                    applied.append(name)
                elif known[name] != digest:
                    raise Problem("no-store", f"migration {name} was changed after it had been applied")
        finally:
            await tx.execute("select pg_advisory_unlock($1)", _LOCK)
    return applied


async def _apply(tx: Tx, name: str, sql: str, digest: str) -> None:
    # One simple-protocol string: the migration and its record commit together or not at all.
    await tx.execute(
        f"begin; set local lock_timeout = '5s'; {sql}\n;insert into migration (name, hash) values ('{name}', '{digest}'); commit"
    )
