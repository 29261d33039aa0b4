"""``_include`` and ``_revinclude``: what the matches point at, and what points at them (http://hl7.org/fhir/R4/search.html#include).

With ``:iterate`` the same is asked of what was included, until nothing new comes. Included resources are read within the same Access as
any other read: a type without permission, or a resource outside of the patient's compartment, is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from penstock.errors import Problem
from penstock.formats.fhir.searchparams import Indexed, Parameters
from penstock.store.change import Key, Resource, Stored
from penstock.store.row import local_references
from penstock.store.search.candidates import CONTENT, Candidate, decoded, keep, names, read
from penstock.store.search.condition import Condition, Or
from penstock.store.search.criterion import Criterion, escaped
from penstock.store.search.pointed import is_by_url
from penstock.store.search.query import Include, Query
from penstock.store.search.run import Run, Wanted

#: Resources that one page may bring along, and rounds of ``:iterate``.
MOST, ROUNDS = 2000, 20


class Included:
    """What a page brings along, as it grows."""

    def __init__(self, run: Run, query: Query, matches: Sequence[Candidate]) -> None:
        self._run = run
        self._query = query
        self._seen: set[Key] = {_key(each) for each in matches}
        self._found: list[Stored] = []

    async def collect(self, matches: Sequence[Candidate]) -> list[Stored]:
        """Everything that the includes of the query bring, in the order in which it was found."""
        includes, revincludes = self._query.includes, self._query.revincludes
        fresh: Sequence[Candidate] = matches
        for round in range(ROUNDS + 1):
            if not fresh or not (includes or revincludes):
                return self._found
            if round == ROUNDS:
                break
            fresh = [
                *await self._forward(includes, fresh),
                *await self._by_url(includes, fresh),
                *await self._backward(revincludes, fresh),
            ]
            includes, revincludes = _iterated(self._query.includes), _iterated(self._query.revincludes)
        raise Problem("too-costly", "this page includes resources of resources too deeply", at="_include")

    async def _by_url(self, includes: Sequence[Include], sources: Sequence[Candidate]) -> list[Candidate]:
        """What the sources name by its canonical URL, in that version where they name one."""
        found: list[Candidate] = []
        for type, urls in _canonicals(self._run.parameters, includes, sources).items():
            if self._run.may_search(type) and _may_read(self._run, type) and await self._run.exist(type):
                values = tuple(escaped(url) for url in dict.fromkeys(url.partition("|")[0] for url in urls))
                found += await self._sources(type, Criterion("url", "uri", "", values), urls)
        return found

    async def _forward(self, includes: Sequence[Include], sources: Sequence[Candidate]) -> list[Candidate]:
        """What the sources point at."""
        keys = {key: None for each in sources for key in _targets(includes, each.stored.type, each.indexed)}
        wanted = [key for key in keys if key not in self._seen and _may_read(self._run, key[0])]
        self._limit(len(wanted))
        if not wanted:
            return []
        found = await self._run.tools.reader.read_many(self._run.tx, self._run.access, wanted)
        return self._add([found[key] for key in wanted if key in found])

    async def _backward(self, revincludes: Sequence[Include], targets: Sequence[Candidate]) -> list[Candidate]:
        """What points at the targets."""
        found: list[Candidate] = []
        for source in dict.fromkeys(include.source for include in revincludes):
            if self._run.may_search(source) and _may_read(self._run, source) and await self._run.exist(source):
                conditions = tuple(
                    _pointing(self._run.parameters, [each for each in revincludes if each.source == source], source, targets)
                )
                for condition in conditions:
                    self._run.tools.reader.index.require(source, condition.param)
                if conditions:
                    found += await self._sources(source, Or(conditions))
        return found

    async def _sources(self, type: str, condition: Condition, urls: Collection[str] = ()) -> list[Candidate]:
        """What satisfies a condition; with ``urls``, of the versions that they name."""
        limit = MOST - len(self._found) + len(self._seen)
        plan = await self._run.plan(Wanted(type, (condition, *self._run.inside(type))))
        rows = await self._run.list(plan, CONTENT, limit + 1)
        if len(rows) > limit:
            raise _too_many()
        candidates = await keep(self._run, plan.undecided(0), await read(self._run, type, rows))
        fresh = [each for each in candidates if _key(each) not in self._seen and (not urls or _is_named(each.resource, urls))]
        self._limit(len(fresh))
        fresh.sort(key=lambda each: each.stored.rid)
        self._seen.update(map(_key, fresh))
        self._found += [each.stored for each in fresh]
        return fresh

    def _add(self, stored: Sequence[Stored]) -> list[Candidate]:
        """Take note of what was read; it is decoded where a further round looks at it."""
        self._seen.update((each.type, each.id) for each in stored)
        self._found += stored
        further = _iterated(self._query.includes) or _iterated(self._query.revincludes)
        return [decoded(self._run.parameters, each) for each in stored] if further else []

    def _limit(self, more: int) -> None:
        if len(self._found) + more > MOST:
            raise _too_many()


def _too_many() -> Problem:
    return Problem("too-costly", "this page would include too many resources: ask for fewer with _count", at="_include")


def _key(candidate: Candidate) -> Key:
    return candidate.stored.type, candidate.stored.id


def _may_read(run: Run, type: str) -> bool:
    return run.access.permits("read", type) and run.is_open(type)


def _iterated(includes: Sequence[Include]) -> tuple[Include, ...]:
    return tuple(each for each in includes if each.iterate)


def _targets(includes: Sequence[Include], source: str, indexed: Indexed) -> Iterable[Key]:
    """What a resource points at by the includes that begin at its type."""
    here = [each for each in includes if each.source in ("*", source)]
    for param, type, id_ in local_references(indexed) if here else ():
        if any(each.param in ("*", param) and each.target in ("", type) for each in here):
            yield type, id_


def _canonicals(parameters: Parameters, includes: Sequence[Include], sources: Sequence[Candidate]) -> dict[str, dict[str, None]]:
    """Resource type to the canonical URLs that the sources name, by the includes that begin at theirs."""
    found: dict[str, dict[str, None]] = {}
    for each in sources:
        here = [include for include in includes if include.source in ("*", each.stored.type)]
        named = {url.partition("|")[0] for _, url in each.indexed.ref_urls if "|" in url}
        for code, url in each.indexed.ref_urls if here else ():
            if url in named:  # without its version it is there to be found by, too
                continue
            param = parameters.of(each.stored.type)[code]
            if is_by_url(param, each.stored.type):
                for include in here:
                    if include.param in ("*", code):
                        for type in (include.target,) if include.target else param.targets:
                            if "url" in parameters.of(type):
                                found.setdefault(type, {})[url] = None
    return found


def _is_named(resource: Resource, urls: Collection[str]) -> bool:
    """Whether one of the URLs is the resource's, without a version or with its own."""
    url = resource.get("url")
    return url in urls or f"{url}|{resource.get('version')}" in urls


def _pointing(parameters: Parameters, includes: Sequence[Include], source: str, targets: Sequence[Candidate]) -> Iterable[Criterion]:
    """The criteria of which a resource of type ``source`` must satisfy one to be included."""
    for param in dict.fromkeys(name for each in includes for name in _params(parameters, each, source)):
        allowed = parameters.of(source)[param].targets
        wanted = {each.target for each in includes if each.param in ("*", param)}
        values = [
            name
            for each in targets
            if each.stored.type in allowed and not wanted.isdisjoint(("", each.stored.type))
            for name in names(each)
        ]
        if values:
            yield Criterion(param, "reference", "", tuple(values))


def _params(parameters: Parameters, include: Include, source: str) -> list[str]:
    if include.param != "*":
        return [include.param]
    return [code for code, param in parameters.of(source).items() if param.type == "reference" and param.expression]
