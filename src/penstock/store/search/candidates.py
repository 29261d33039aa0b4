"""Rows that SQL could not decide wholly, decided in memory: a batch at a time, so that links cost a statement a batch and not a row."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from penstock.errors import Problem
from penstock.formats.fhir.searchparams import Indexed, Parameters
from penstock.store.change import Key, Resource, Stored
from penstock.store.hashing import self_hash
from penstock.store.keys import reference_token
from penstock.store.layout import layout
from penstock.store.row import local_references
from penstock.store.search.condition import Chain, Condition, Has, Selves, links
from penstock.store.search.criterion import Criterion, escaped
from penstock.store.search.match import holds
from penstock.store.search.plan import probe_sql
from penstock.store.search.run import Plan, Run, Wanted
from penstock.store.search.types import Context

#: Rows that one search may look at again in memory, or sort there.
CANDIDATES = 10_000
#: Rows that are decoded before others get their turn.
_AT_ONCE = 50
CONTENT = "r.rid, r.self, r.ver, r.id, r.content"


class Candidate(NamedTuple):
    """A row, and what it says."""

    row: Any
    stored: Stored
    resource: Resource
    indexed: Indexed


async def read(run: Run, type: str, rows: Sequence[Any]) -> list[Candidate]:
    """Rows of one type, decoded."""
    found = []
    for number, (row, stored) in enumerate(zip(rows, await run.stored(type, rows), strict=True)):
        if number % _AT_ONCE == _AT_ONCE - 1:
            await asyncio.sleep(0)
            run.in_time()
        found.append(decoded(run.parameters, stored, row))
    return found


def decoded(parameters: Parameters, stored: Stored, row: Any = None) -> Candidate:
    """A version as a candidate."""
    resource = stored.resource()
    return Candidate(row, stored, resource, parameters.extract(resource))


async def keep(run: Run, conditions: Sequence[Condition], candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates, all of one type, for which every condition holds."""
    if not conditions or not candidates:
        return list(candidates)
    decided = {id(link): await _decide(run, link.link, candidates) for condition in conditions for link in links(condition)}
    kept = []
    for number, each in enumerate(candidates):
        if number % _AT_ONCE == _AT_ONCE - 1:
            await asyncio.sleep(0)
            run.in_time()
        on = Context(each.indexed, each.resource, run.now, run.parameters)
        if all(holds(condition, on, decided) for condition in conditions):
            kept.append(each)
    return kept


async def satisfying(run: Run, plan: Plan, limit: int) -> list[Candidate] | None:
    """The resources of a plan of one type; None when more than ``limit`` rows would have to be looked at."""
    rows = await run.list(plan, CONTENT, limit + 1)
    if len(rows) > limit:
        return None
    return await keep(run, plan.undecided(0), await read(run, plan.wanted[0].type, rows))


async def ids(run: Run, plan: Plan, limit: int) -> list[str] | None:
    """The ids of the resources of a plan of one type, likewise."""
    if not plan.exact:
        found = await satisfying(run, plan, limit)
        return None if found is None else [each.stored.id for each in found]
    rows = await run.list(plan, "r.id", limit + 1)
    return None if len(rows) > limit else [row["id"] for row in rows]


def references(candidates: Sequence[Candidate], param: str, type: str) -> dict[str, None]:
    """The ids of the resources of ``type`` that candidates point at by ``param``."""
    return {id_: None for each in candidates for code, target, id_ in local_references(each.indexed) if code == param and target == type}


def names(candidate: Candidate) -> list[str]:
    """The values of a reference parameter that point at a resource: its type and id, and its canonical URL where it has one."""
    url = candidate.resource.get("url")
    own = f"{candidate.stored.type}/{candidate.stored.id}"
    return [own, escaped(url)] if isinstance(url, str) else [own]


def urls(candidates: Sequence[Candidate], param: str) -> dict[str, None]:
    """The canonical URLs that candidates name by ``param``, without their versions."""
    return {url.partition("|")[0]: None for each in candidates for code, url in each.indexed.ref_urls if code == param}


async def _decide(run: Run, link: Chain | Has, candidates: Sequence[Candidate]) -> set[Key]:
    return await (_pointed_at(run, link, candidates) if isinstance(link, Chain) else _pointing(run, link, candidates))


async def _pointed_at(run: Run, chain: Chain, candidates: Sequence[Candidate]) -> set[Key]:
    """Of what the candidates point at, the resources that satisfy the chain."""
    found: set[Key] = set()
    for type, inner in chain.inner:
        named = references(candidates, chain.param, type)
        if named:
            these = Selves(run.access.tenant, frozenset(self_hash(run.access.tenant, type, id_) for id_ in named))
            those = await ids(run, await run.plan(Wanted(type, (these, inner))), len(named))
            found.update((type, id_) for id_ in those or ())
    return found


async def _pointing(run: Run, has: Has, candidates: Sequence[Candidate]) -> set[Key]:
    """Of the candidates, those that a resource which satisfies the inner side points at."""
    type = candidates[0].stored.type
    inner = await run.plan(Wanted(has.source, (has.inner,)))
    if inner.exact:
        return {(type, id_) for id_ in await _probed(run, inner, has, type, [each.stored.id for each in candidates])}
    values = tuple(f"{type}/{each.stored.id}" for each in candidates)
    plan = await run.plan(Wanted(has.source, (Criterion(has.param, "reference", "", values), has.inner)))
    sources = await satisfying(run, plan, CANDIDATES)
    if sources is None:
        raise too_costly()
    return {(type, id_) for id_ in references(sources, has.param, type)}


async def _probed(run: Run, inner: Plan, has: Has, type: str, ids: Sequence[str]) -> list[str]:
    """Which of the resources ``ids`` are pointed at, asked of SQL one by one within a statement."""
    branch = inner.fresh()[0]
    tenant, target = run.access.tenant, branch.target
    if type == "Patient" and has.param in layout(has.source).patients:
        keys, condition = [self_hash(tenant, type, id_) for id_ in ids], "r.pat = k.key"
    else:
        start = target.prefix(has.param)
        keys, condition = [reference_token(start, type, id_) for id_ in ids], "r.tok && array[k.key]"
    rows = await run.timed(run.tx.fetch(probe_sql(branch, condition, keys), *target.args))
    return [ids[row["n"] - 1] for row in rows]


def too_costly() -> Problem:
    """What is said to a search that has looked at enough."""
    return Problem("too-costly", "this search looks at too many resources: add a criterion that narrows it")
