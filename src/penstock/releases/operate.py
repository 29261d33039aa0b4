"""What an operator asks and does with releases, as JSON: the admin API and the command line speak through this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.auth.access import Access
from penstock.db import Database
from penstock.releases import history
from penstock.releases.changes import changes
from penstock.releases.follow import Follower

Json = dict[str, Any]


class Releases:
    """One for a process that serves the admin API."""

    def __init__(self, database: Database, follower: Follower[Any]) -> None:
        self._database, self._follower = database, follower

    async def in_force(self) -> Json:
        """The release in force here, with the version of each interface's maps."""
        release = self._follower.in_force.release
        plans = {name: plan.version for name, plan in sorted(release.plans.items())}
        return {"version": release.version, "tables": release.tables, "interfaces": plans}

    async def listed(self, limit: int) -> list[Json]:
        """What came into force, newest first."""
        async with self._database.transaction(readonly=True) as tx:
            return [one._asdict() for one in await history.applications(tx, limit)]

    async def files(self, version: str) -> Json:
        """The files of a release."""
        async with self._database.transaction(readonly=True) as tx:
            return {"version": version, "files": dict(await history.files(tx, version))}

    async def apply(self, access: Access, files: Mapping[str, str], reason: str, *, preview: bool) -> Json:
        """What these files would change, and with no ``preview`` that they do."""
        new = await self._follower.compiled(files)
        changed = [one._asdict() for one in changes(self._follower.in_force.release, new)]
        told = {"version": new.version, "instead_of": self._follower.in_force.release.version, "changes": changed}
        if preview:
            return told | {"applied": False}
        applied = await self._follower.apply(files, by=access.client, reason=reason)
        return told | {"applied": applied.version == new.version, "number": applied.number}

    async def rollback(self, access: Access, version: str | None, reason: str) -> Json:
        """Put an earlier release in force again."""
        applied = await self._follower.rollback(version, by=access.client, reason=reason)
        return applied._asdict()
