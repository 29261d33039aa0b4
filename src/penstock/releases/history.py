"""All releases that were ever in force, and when: kept in the database, the newest application is in force."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple

import zstandard

from penstock.db import Tx, named_sql
from penstock.errors import Problem
from penstock.releases.release import Release

_SQL = named_sql(__package__)

Kind = Literal["start", "apply", "rollback"]


class Application(NamedTuple):
    """Why a release is to come into force."""

    kind: Kind
    at: datetime
    by: str
    reason: str = ""


class Applied(NamedTuple):
    """A release that came into force."""

    number: int
    version: str
    instead_of: str | None
    kind: Kind
    applied_at: datetime
    applied_by: str
    reason: str


async def newest(tx: Tx) -> Applied | None:
    """What is in force; None in a database that nothing was applied to."""
    row = await tx.fetchrow(_SQL["newest"])
    return Applied(*row) if row is not None else None


async def apply(tx: Tx, release: Release, application: Application) -> Applied:
    """Put a release in force; where it is already, nothing happens. A start does not undo a rollback from the same version."""
    await tx.execute(_SQL["lock"])
    before = await newest(tx)
    if before is not None:
        undone = application.kind == "start" and before.kind == "rollback" and before.instead_of == release.version
        if before.version == release.version or undone:
            return before
    plans = json.dumps({name: plan.version for name, plan in release.plans.items()})
    await tx.execute(_SQL["keep"], release.version, release.tables, _packed(release.files), plans)
    row = await tx.fetchrow(
        _SQL["apply"],
        release.version,
        before.version if before else None,
        application.kind,
        application.at,
        application.by,
        application.reason,
    )
    assert row is not None
    return Applied(*row)


async def before(tx: Tx) -> str:
    """The version that a rollback goes back to: what was in force before the newest."""
    found = await newest(tx)
    if found is None or found.instead_of is None:
        raise Problem("not-found", "there is no release before the one in force")
    return found.instead_of


async def files(tx: Tx, version: str) -> Mapping[str, str]:
    """The files of a release; ``not-found`` where there never was one of this version."""
    row = await tx.fetchrow(_SQL["release"], version)
    if row is None:
        raise Problem("not-found", "there is no release of this version")
    return _unpacked(row["files"])


async def of_plan(tx: Tx, interface: str, plan_version: str) -> Mapping[str, str]:
    """The files of a release in which an interface had a plan of that version, as lineage names it."""
    row = await tx.fetchrow(_SQL["by_plan"], interface, plan_version)
    if row is None:
        raise Problem("not-found", "no release has a plan of this version for this interface")
    return await files(tx, row["version"])


async def applications(tx: Tx, limit: int) -> list[Applied]:
    """What came into force, newest first."""
    return [Applied(*row) for row in await tx.fetch(_SQL["applications"], limit)]


def _packed(given: Mapping[str, str]) -> bytes:
    return zstandard.ZstdCompressor(level=9).compress(json.dumps(given, sort_keys=True).encode())


def _unpacked(content: bytes) -> Mapping[str, str]:
    found: Mapping[str, str] = json.loads(zstandard.ZstdDecompressor().decompress(content))
    return found
