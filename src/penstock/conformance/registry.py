"""The definitions in force, by canonical URL: an index in memory, bodies on disk, the decoded ones in a bounded cache.

Pure bookkeeping: who follows packages and the store (:mod:`penstock.conformance.follow`) tells it what came and what went. What the site
stores wins over a package that says the same URL and version; of two packages the one that was loaded later.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, NamedTuple

from penstock.conformance.definition import Definition
from penstock.conformance.spool import Place, Spool
from penstock.formats.fhir import json
from penstock.formats.fhir.canonical import age

Resource = dict[str, Any]

#: JSON bytes of the decoded definitions that are kept; decoded they take about eight times that.
CACHE_BYTES = 6 * 2**20
#: Idle bytes of the spool that are worth a new one.
_IDLE = 64 * 2**20


class Source(NamedTuple):
    """Where a definition came from: the store, or the package of that number.

    ``key`` is ``Type/id`` for the store and the number of the definition for a package.
    """

    package: int | None
    key: str


class Entry(NamedTuple):
    """One definition: ``order`` is the version of the stored resource, so that older news never replaces newer."""

    definition: Definition
    source: Source
    order: int
    place: Place

    @property
    def weight(self) -> tuple[bool, int]:
        """The greater one is in force where two say the same URL and version."""
        return self.source.package is None, self.source.package or 0


class Registry:
    """Canonicals that change while the program runs. What :meth:`find` returns is shared: nobody changes it."""

    def __init__(self, *, cache_bytes: int = CACHE_BYTES) -> None:
        self._by_url: dict[tuple[str, str], list[Entry]] = {}
        self._by_source: dict[Source, Entry] = {}
        self._by_type: dict[str, dict[Source, None]] = {}
        self._gone: dict[Source, int] = {}
        self._spool = Spool()
        self._decoded: OrderedDict[Place, Resource] = OrderedDict()
        self._held = 0
        self._cache_bytes = cache_bytes
        self._revision = 0
        self._revisions: dict[str, int] = {}
        #: Whether this process has changed definitions of which others may not know yet.
        self.unsettled = False

    @property
    def revision(self) -> int:
        """Rises with every change."""
        return self._revision

    def revision_of(self, type: str) -> int:
        """Rises with every change of a definition of that resource type."""
        return self._revisions.get(type, 0)

    def find(self, type: str, url: str) -> Resource | None:
        """The definition of a resource type by ``url`` or ``url|version`` (see ``Canonicals``)."""
        entry = self.entry(type, url)
        return None if entry is None else self._body(entry)

    def entry(self, type: str, url: str) -> Entry | None:
        """The same without its body."""
        bare, _, version = url.partition("|")
        held = self._by_url.get((type, bare), [])
        if version:
            held = [each for each in held if each.definition.version == version]
        return max(held, key=_standing, default=None)

    def all(self, type: str) -> Iterator[Resource]:
        """Every definition of a resource type, one for each URL and version."""
        for entry in self.entries(type):
            current = self._by_source.get(entry.source)  # it may have changed since the caller began
            if current is not None:
                yield self._body(current)

    def entries(self, type: str) -> list[Entry]:
        """The same without their bodies."""
        best: dict[tuple[str, str], Entry] = {}
        for source in self._by_type.get(type, ()):
            entry = self._by_source[source]
            key = entry.definition.url, entry.definition.version
            if key not in best or entry.weight > best[key].weight:
                best[key] = entry
        return list(best.values())

    def known(self, type: str, url: str) -> list[tuple[Entry, bytes]]:
        """Every definition of that URL with its bytes, those that are not in force included."""
        return [(entry, self._spool.read(entry.place)) for entry in self._by_url.get((type, url), ())]

    def sources(self, package: int) -> list[Source]:
        """What came from one package."""
        return [source for source in self._by_source if source.package == package]

    def put(self, definition: Definition, body: bytes, source: Source, order: int = 0) -> None:
        """Add a definition, or replace what came from the same source; older news than what is known is ignored."""
        held = self._by_source.get(source)
        if order < self._gone.get(source, 0) or (held is not None and order and held.order >= order):
            return
        if held is not None:
            self._remove(held)
        entry = Entry(definition, source, order, self._spool.add(body))
        self._by_source[source] = entry
        self._by_url.setdefault((definition.type, definition.url), []).append(entry)
        self._by_type.setdefault(definition.type, {})[source] = None
        self._changed(definition.type)

    def drop(self, source: Source, order: int = 0) -> None:
        """The definition from ``source`` is no more, as of version ``order``."""
        if order:
            self._gone[source] = max(order, self._gone.get(source, 0))
        held = self._by_source.get(source)
        if held is not None and (not order or held.order < order):
            self._remove(held)
            self._changed(held.definition.type)
            self._tidy()

    def _changed(self, type: str) -> None:
        self._revision += 1
        self._revisions[type] = self._revision

    def _remove(self, entry: Entry) -> None:
        definition = entry.definition
        del self._by_source[entry.source]
        del self._by_type[definition.type][entry.source]
        self._by_url[definition.type, definition.url].remove(entry)
        if not self._by_url[definition.type, definition.url]:
            del self._by_url[definition.type, definition.url]
        self._spool.drop(entry.place)
        if self._decoded.pop(entry.place, None) is not None:
            self._held -= entry.place.size

    def _body(self, entry: Entry) -> Resource:
        found = self._decoded.get(entry.place)
        if found is not None:
            self._decoded.move_to_end(entry.place)
            return found
        found = json.decode(self._spool.read(entry.place))
        if entry.place.size <= self._cache_bytes:
            self._decoded[entry.place] = found
            self._held += entry.place.size
            while self._held > self._cache_bytes:
                place, _ = self._decoded.popitem(last=False)
                self._held -= place.size
        return found

    def _tidy(self) -> None:
        """Begin a new spool when most of the old one is idle."""
        old = self._spool
        if old.idle < _IDLE or old.idle * 2 < old.used:
            return
        self._spool, self._decoded, self._held = Spool(), OrderedDict(), 0
        moved = {source: entry._replace(place=self._spool.add(old.read(entry.place))) for source, entry in self._by_source.items()}
        old.close()
        self._by_source = moved
        self._by_url = {key: [moved[entry.source] for entry in held] for key, held in self._by_url.items()}


def _standing(entry: Entry) -> tuple[Any, ...]:
    definition = entry.definition
    return *age({"status": definition.status, "version": definition.version, "date": definition.date}), entry.weight
