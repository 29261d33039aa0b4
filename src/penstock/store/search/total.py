"""``_total``: how many resources match (http://hl7.org/fhir/R4/search.html#total)."""

from __future__ import annotations

from penstock.store.search.candidates import CANDIDATES, satisfying, too_costly
from penstock.store.search.plan import count_sql
from penstock.store.search.run import Plan, Run


async def accurate(run: Run, plan: Plan) -> int:
    """Counted."""
    return sum([await _counted(run, each) for each in await _parts(run, plan)])


async def estimate(run: Run, plan: Plan) -> int:
    """Counted up to a limit; beyond it, what PostgreSQL's statistics say."""
    return sum([await _estimated(run, each) for each in await _parts(run, plan)])


async def _parts(run: Run, plan: Plan) -> list[Plan]:
    """Each type by itself, with arguments of its own."""
    return [plan] if len(plan.wanted) == 1 else [await run.plan(wanted) for wanted in plan.wanted]


async def _counted(run: Run, part: Plan) -> int:
    if not part.exact:
        found = await satisfying(run, part, CANDIDATES)
        if found is None:
            raise too_costly()
        return len(found)
    branch = part.fresh()[0]
    sql = count_sql(branch)
    if not part.driven:
        await run.afford(sql, branch.target.args)
    return int(await run.timed(run.tx.fetchval(sql, *branch.target.args)))


async def _estimated(run: Run, part: Plan) -> int:
    branch = part.fresh()[0]
    few = int(await run.timed(run.tx.fetchval(count_sql(branch, CANDIDATES + 1), *branch.target.args)))
    if few <= CANDIDATES:
        return few if part.exact else await _counted(run, part)
    branch = part.fresh()[0]
    planned = await run.planned(count_sql(branch).replace("select count(*)", "select 1", 1), branch.target.args)
    return max(int(planned["Plan Rows"]), few)
