"""Chains and ``_has`` followed: each becomes a condition that one select, or a look at candidates, can decide.

The inner side is resolved first. When few resources satisfy it, they become the values of an ordinary criterion, which can drive the
search by an index. When they are many, the link is turned round: SQL joins through the patient column, or candidates are decided in
batches. No limit cuts anything off. Every inner side keeps to what the access may search (DESIGN, invariant 7).
"""

from __future__ import annotations

from collections.abc import Sequence

from penstock.errors import Problem
from penstock.store.hashing import self_hash
from penstock.store.layout import layout
from penstock.store.search.candidates import CANDIDATES, Candidate, ids, names, references, satisfying, too_costly, urls
from penstock.store.search.condition import NEVER, And, Chain, Compared, Condition, Has, Joined, Not, Open, Or, Selves
from penstock.store.search.criterion import Criterion, escaped
from penstock.store.search.meaning import meant
from penstock.store.search.pointed import is_by_url
from penstock.store.search.run import Plan, Run, Wanted

#: Resources of the inner side up to which they are looked up one by one.
FEW = 1000
#: Rows by the patient column that are looked at to find so few patients.
_ROWS = 10 * FEW


async def follow(run: Run, type: str, condition: Condition) -> Condition:
    """The condition, about a resource of ``type``, with every Chain and Has replaced."""
    match condition:
        case And(parts):
            return And(tuple([await follow(run, type, part) for part in parts]))
        case Or(parts):
            return Or(tuple([await follow(run, type, part) for part in parts]))
        case Not(part):
            return Not(await follow(run, type, part))
        case Chain():
            return await _chain(run, type, condition)
        case Has():
            return await _has(run, type, condition)
        case Criterion():
            return await meant(run, type, condition)
        case Compared(param=param):
            run.tools.reader.index.require(type, param)
    return condition


async def _chain(run: Run, type: str, chain: Chain) -> Condition:
    """Through a reference to several types: those that the access may search."""
    allowed = [(target, inner) for target, inner in chain.inner if run.may_search(target)]
    if not allowed:
        raise _forbidden(chain.param)
    run.tools.reader.index.require(type, chain.param)
    by_url = is_by_url(run.parameters.of(type)[chain.param], type)
    values: list[str] = []
    parts: list[Condition] = []
    many: list[tuple[str, Condition]] = []
    for target, inner in allowed:
        plan = await _inner(run, target, inner)
        if plan is None:
            continue
        if by_url:
            values += [name for each in await _few(run, plan) for name in names(each)]
            continue
        found = await ids(run, plan, FEW)
        if found is not None:
            values += [f"{target}/{id_}" for id_ in found]
        elif plan.exact and target == "Patient" and chain.param in layout(type).patients:
            inner = And(plan.wanted[0].conditions)
            parts.append(Joined(Chain(chain.param, ((target, inner),)), "pat", target, "self", inner))
        else:
            many.append((target, And(plan.wanted[0].conditions)))
    if values:
        parts.append(Criterion(chain.param, "reference", "", tuple(values)))
    if many:
        parts.append(Open(Chain(chain.param, tuple(many))))
    return parts[0] if len(parts) == 1 else Or(tuple(parts))


async def _has(run: Run, type: str, has: Has) -> Condition:
    if not run.may_search(has.source):
        raise _forbidden("_has")
    run.tools.reader.index.require(has.source, has.param)
    plan = await _inner(run, has.source, has.inner)
    if plan is None:
        return NEVER
    if is_by_url(run.parameters.of(has.source)[has.param], has.source):
        sources = await _few(run, plan)
        named = Criterion("url", "uri", "", tuple(map(escaped, urls(sources, has.param))))
        return Or((_pointed_at(run, type, has, sources), *([named] if named.values and "url" in run.parameters.of(type) else [])))
    link = Has(has.source, has.param, And(plan.wanted[0].conditions))
    if plan.exact and type == "Patient" and has.param in layout(has.source).patients:
        rows = await run.list(plan, "r.pat", _ROWS + 1)
        patients = frozenset(row["pat"] for row in rows if row["pat"] is not None)
        if len(rows) <= _ROWS and len(patients) <= FEW:
            return Selves(run.access.tenant, patients)
        return Joined(link, "self", has.source, "pat", link.inner)
    found = await satisfying(run, plan, FEW)
    return Open(link) if found is None else _pointed_at(run, type, has, found)


def _pointed_at(run: Run, type: str, has: Has, sources: Sequence[Candidate]) -> Selves:
    return Selves(run.access.tenant, frozenset(self_hash(run.access.tenant, type, id_) for id_ in references(sources, has.param, type)))


async def _few(run: Run, plan: Plan) -> Sequence[Candidate]:
    """The resources of an inner side that are named by their URLs: those must be known one by one."""
    found = await satisfying(run, plan, CANDIDATES)
    if found is None:
        raise too_costly()
    return found


async def _inner(run: Run, type: str, inner: Condition) -> Plan | None:
    """The inner side of a link, compiled; None when nothing of that type was ever stored."""
    followed = await follow(run, type, inner)
    conditions = (*(followed.parts if isinstance(followed, And) else (followed,)), *run.inside(type))
    if not await run.exist(type):
        run.check(type, conditions)
        return None
    return await run.plan(Wanted(type, conditions))


def _forbidden(at: str) -> Problem:
    return Problem("forbidden", "this token does not allow a search of the resources that this parameter leads to", at=at)
