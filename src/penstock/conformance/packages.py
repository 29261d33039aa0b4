"""Loading and unloading packages: first what it would change, then all of it in one transaction, or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import zstandard

from penstock.auth.access import SYSTEM, Access
from penstock.conformance.builtin import built_in
from penstock.conformance.definition import profile_of
from penstock.conformance.impact import Known, dependencies, impact
from penstock.conformance.package import Package, digest_of, read_package
from penstock.conformance.registry import Registry
from penstock.db import Database, Tx, named_sql
from penstock.errors import Problem
from penstock.store import Store

_SQL = named_sql(__package__)


class Loaded(NamedTuple):
    """A package that is there, and how many definitions it brought."""

    number: int
    name: str
    version: str
    digest: bytes
    manifest: dict[str, Any]
    loaded_at: datetime
    loaded_by: str
    definitions: int

    @property
    def canonical(self) -> str:
        return f"{self.name}|{self.version}"


@dataclass(frozen=True)
class Packages:
    """The packages of one database. ``look`` has the registry of this process follow, ``publish`` those of all."""

    database: Database
    store: Store
    registry: Registry
    look: Callable[[], Awaitable[None]]
    publish: Callable[[], Awaitable[None]]

    async def list(self) -> list[dict[str, Any]]:
        """Every package that is loaded, with the state of what it depends on."""
        there = await self._loaded()
        return [_told(each, there) for each in there]

    async def show(self, name: str, version: str) -> dict[str, Any]:
        """One package and its definitions."""
        there = await self._loaded()
        loaded = _named(there, name, version)
        async with self.database.connection() as tx:
            rows = await tx.fetch(_SQL["definitions"], loaded.number)
        listed = [{"type": row["type"], "url": row["url"], "version": row["version"], "name": row["name"]} for row in rows]
        return {**_told(loaded, there), "content": listed}

    async def add(self, access: Access, data: bytes, now: datetime, *, preview: bool) -> dict[str, Any]:
        """Read the ``.tgz`` in ``data``, say what it changes, and load it unless this is a ``preview``."""
        package = await asyncio.to_thread(read_package, data)
        await self.look()
        there = await self._loaded()
        twin = next((each for each in there if (each.name, each.version) == (package.name, package.version)), None)
        if twin is not None and twin.digest != package.digest:
            raise Problem("duplicate", "another package of this name and version is loaded: unload it first")
        names = {each.number: each.canonical for each in there}
        report = impact(package, lambda type, url: self._known(type, url, names), [(each.name, each.version) for each in there])
        if twin is None and not preview:
            await self._load(package, access, now)
        return {
            "name": package.name,
            "version": package.version,
            "title": package.manifest["title"],
            "loaded": not preview,
            "already": twin is not None,
            **report.told(),
            "unusable": [{"canonical": each.definition.canonical, "reason": each.flaw} for each in package.definitions if each.flaw],
            "left_out": [{"file": file, "reason": reason} for file, reason in package.left_out],
        }

    async def remove(self, name: str, version: str, *, force: bool) -> dict[str, Any]:
        """Unload a package. One that others need, or whose profiles stored resources claim, goes only by ``force``."""
        there = await self._loaded()
        loaded = _named(there, name, version)
        needed_by = _needed_by(loaded, there)
        claimed = await self._claimed(loaded.number)
        if (needed_by or claimed) and not force:
            raise Problem("business-rule", "this package is in use: another one needs it, or stored resources claim its profiles")
        async with self.database.transaction() as tx:
            await tx.execute(_SQL["remove_package"], loaded.number)
        await self.publish()
        return {"name": name, "version": version, "removed": loaded.definitions, "needed_by": needed_by, "claimed": claimed}

    async def in_use(self, name: str, version: str) -> dict[str, Any]:
        """Who would miss a package."""
        there = await self._loaded()
        loaded = _named(there, name, version)
        return {"needed_by": _needed_by(loaded, there), "claimed": await self._claimed(loaded.number)}

    async def _loaded(self) -> Sequence[Loaded]:
        async with self.database.connection() as tx:
            rows = await tx.fetch(_SQL["packages"])
        return [Loaded(**{**row, "manifest": msgspec.json.decode(row["manifest"])}) for row in map(dict, rows)]

    def _known(self, type: str, url: str, names: dict[int, str]) -> Sequence[Known]:
        found = built_in(type, url)
        for entry, body in self.registry.known(type, url):
            number = entry.source.package
            found.append(Known(entry.definition, "site" if number is None else names.get(number, ""), digest_of(body)))
        return found

    async def _load(self, package: Package, access: Access, now: datetime) -> None:
        async with self.database.transaction() as tx:
            number = await tx.fetchval(
                _SQL["add_package"], package.name, package.version, package.digest,
                msgspec.json.encode(package.manifest).decode(), now, access.client,
            )  # fmt: skip
            if number is None:
                raise Problem("conflict", "this package is being loaded by somebody else")
            await _add_definitions(tx, number, package)
        await self.publish()

    async def _claimed(self, number: int) -> Sequence[str]:
        """The canonical URLs of the package's profiles that stored resources say they follow."""
        async with self.database.connection() as tx:
            rows = await tx.fetch(_SQL["definitions"], number)
            found = []
            for row in rows:
                shape = profile_of(zstandard.decompress(row["content"])) if row["type"] == "StructureDefinition" else None
                if shape and await self._has(tx, shape, row["url"]):
                    found.append(row["url"])
        return found

    async def _has(self, tx: Tx, type: str, profile: str) -> bool:
        try:
            page = await self.store.search(tx, SYSTEM, type, [("_profile", profile), ("_count", "1")])
        except Problem:  # a profile of a data type
            return False
        return bool(page.entries)


async def _add_definitions(tx: Tx, number: int, package: Package) -> None:
    heads = [content.definition for content in package.definitions]
    await tx.execute(
        _SQL["add_definitions"], number, list(range(len(heads))), [d.type for d in heads], [d.url for d in heads],
        [d.version for d in heads], [d.status for d in heads], [d.date for d in heads], [d.name for d in heads],
        [content.packed for content in package.definitions],
    )  # fmt: skip


def _named(there: Sequence[Loaded], name: str, version: str) -> Loaded:
    for each in there:
        if (each.name, each.version) == (name, version):
            return each
    raise Problem("not-found", "no such package is loaded")


def _needed_by(loaded: Loaded, there: Sequence[Loaded]) -> Sequence[str]:
    """Packages that depend on it, unless another version of it stays."""
    if any(each.name == loaded.name and each.number != loaded.number for each in there):
        return []
    return [each.canonical for each in there if loaded.name in each.manifest["dependencies"]]


def _told(loaded: Loaded, there: Sequence[Loaded]) -> dict[str, Any]:
    states = dependencies(loaded.manifest["dependencies"], [(each.name, each.version) for each in there])
    return {
        "name": loaded.name, "version": loaded.version, "title": loaded.manifest["title"], "canonical": loaded.manifest["canonical"],
        "definitions": loaded.definitions, "loaded_at": loaded.loaded_at, "loaded_by": loaded.loaded_by,
        "dependencies": [each._asdict() for each in states],
    }  # fmt: skip
