"""Definitions by canonical URL: profiles, value sets, code systems, maps and search parameters beyond those that R4 itself brings.

Who validates, expands or searches asks a :class:`Canonicals`. What R4 publishes is in ``definitions`` as compact tables and need not be
in it. A :class:`Shelf` holds its definitions in memory; the running program has one that follows packages and the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

Resource = dict[str, Any]


class Canonicals(Protocol):
    """``revision`` changes whenever any definition does: what is compiled from definitions is kept for one revision."""

    @property
    def revision(self) -> int: ...

    def revision_of(self, type: str) -> int:
        """The same of one resource type."""
        ...

    def find(self, type: str, url: str) -> Resource | None:
        """The definition of a resource type by ``url`` or ``url|version``; without a version the newest that is active, else the newest."""
        ...

    def all(self, type: str) -> Iterator[Resource]:
        """Every definition of a resource type, one for each URL and version."""
        ...


class Shelf:
    """Canonicals in memory."""

    def __init__(self, resources: Iterable[Resource] = ()) -> None:
        self._by_url: dict[tuple[str, str], list[Resource]] = {}
        self.revision = 0
        self._revisions: dict[str, int] = {}
        for resource in resources:
            self.put(resource)

    def put(self, resource: Resource) -> None:
        """Add a definition, or replace the one of the same URL and version. One without a URL cannot be asked for and is left out."""
        url, version = resource.get("url"), resource.get("version")
        if not isinstance(url, str):
            return
        self.revision += 1
        self._revisions[resource["resourceType"]] = self.revision
        held = self._by_url.setdefault((resource["resourceType"], url), [])
        held[:] = [one for one in held if one.get("version") != version] + [resource]

    def revision_of(self, type: str) -> int:
        return self._revisions.get(type, 0)

    def find(self, type: str, url: str) -> Resource | None:
        bare, _, version = url.partition("|")
        held = self._by_url.get((type, bare), [])
        if version:
            return next((one for one in held if one.get("version") == version), None)
        return max(held, key=age, default=None)

    def all(self, type: str) -> Iterator[Resource]:
        for (held_type, _), held in self._by_url.items():
            if held_type == type:
                yield from held


def age(resource: Resource) -> tuple[bool, tuple[tuple[int, str], ...], str]:
    """Active before others, then by version (numbers as numbers), then by date."""
    version = str(resource.get("version", ""))
    parts = tuple((int(part), "") if part.isdigit() else (-1, part) for part in version.replace("-", ".").split("."))
    return resource.get("status") == "active", parts, str(resource.get("date", ""))
