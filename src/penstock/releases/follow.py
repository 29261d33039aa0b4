"""The plan of each interface now, in this process: read at the start, and exchanged when another process applies a release."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

from penstock import log
from penstock.clock import Clock
from penstock.db import Bell, Database
from penstock.errors import Problem
from penstock.releases import history
from penstock.releases.history import Application, Applied
from penstock.releases.release import Release, release_of

_log = log.get("releases")
_IDLE_S = 1.0

Way = TypeVar("Way")


class InForce(Mapping[str, Way], Generic[Way]):
    """What each interface is converted by now. A message that is under way keeps what it has got."""

    def __init__(self, release: Release, ways: Callable[[Release], Mapping[str, Way]]) -> None:
        self._ways = ways
        self.exchange(release)

    def exchange(self, release: Release) -> None:
        self.release = release
        self._found = self._ways(release)

    def __getitem__(self, interface: str) -> Way:
        return self._found[interface]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


class Follower(Generic[Way]):
    """One for a process. ``bell`` is rung when a release is applied."""

    def __init__(self, database: Database, bell: Bell, clock: Clock, ways: Callable[[Release], Mapping[str, Way]], zone: str) -> None:
        self._database, self._bell, self._clock, self._ways, self._zone = database, bell, clock, ways, zone

    async def start(self, files: Mapping[str, str]) -> InForce[Way]:
        """Put the files that the program was started with in force, unless they were rolled back; then what is in force."""
        release = release_of(files, zone=self._zone)
        async with self._database.transaction() as tx:
            applied = await history.apply(tx, release, Application("start", self._clock.now(), "penstock"))
        self._seen = applied.version
        if applied.version != release.version:
            _log.warning("maps.rolled_back", version=applied.version)
            release = await self._read(applied.version)
        self.in_force = InForce(release, self._ways)
        return self.in_force

    async def run(self) -> None:
        """Follow for ever."""
        while True:
            await self.look()
            await self._bell.wait(_IDLE_S)

    async def look(self) -> None:
        """Exchange the plans where another release is in force."""
        async with self._database.connection() as tx:
            found = await history.newest(tx)
        if found is not None and found.version != self._seen:
            self._seen = found.version
            self.in_force.exchange(await self._read(found.version))
            _log.info("maps.applied", version=found.version)

    async def apply(self, files: Mapping[str, str], *, by: str, reason: str) -> Applied:
        """Compile and put in force. What is wrong is raised, and nothing changes."""
        return await self._apply(await self.compiled(files), Application("apply", self._clock.now(), by, reason))

    async def rollback(self, version: str | None, *, by: str, reason: str) -> Applied:
        """Put an earlier release in force again: the one before, or the one of that version."""
        async with self._database.connection() as tx:
            wanted = version or await history.before(tx)
        release = await self._read(wanted)
        if release.version != wanted:
            raise Problem("conflict", "that release was made with the tables of another version of the program: apply its files instead")
        return await self._apply(release, Application("rollback", self._clock.now(), by, reason))

    async def _apply(self, release: Release, application: Application) -> Applied:
        async with self._database.transaction() as tx:
            applied = await history.apply(tx, release, application)
        self._seen = applied.version
        self.in_force.exchange(release)
        self._bell.ring()
        return applied

    async def compiled(self, files: Mapping[str, str]) -> Release:
        """The release that files make; compiling takes about a second, in a thread of its own."""
        return await asyncio.to_thread(release_of, files, zone=self._zone)

    async def _read(self, version: str) -> Release:
        async with self._database.connection() as tx:
            files = await history.files(tx, version)
        return await self.compiled(files)
