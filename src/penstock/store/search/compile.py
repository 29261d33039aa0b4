"""A condition to its fragment: what is the same for every type of parameter (unions, ``:missing``, logic, joins) is here."""

from __future__ import annotations

from dataclasses import replace

from penstock.errors import Problem
from penstock.store.layout import UNIONS
from penstock.store.search.condition import And, Compared, Condition, Inside, Joined, Not, Open, Or, Selves
from penstock.store.search.criterion import Criterion
from penstock.store.search.fragment import Fragment, Target, both, either, opposite
from penstock.store.search.presence import missing
from penstock.store.search.types import kind_of

#: Lets every row through, to be decided in memory.
UNDECIDED = Fragment("true", exact=False)


def compile(target: Target, condition: Condition) -> Fragment:
    """The condition in SQL."""
    match condition:
        case Criterion():
            return _criterion(target, condition)
        case And(parts):
            return both([compile(target, part) for part in parts])
        case Or(parts):
            return either([compile(target, part) for part in parts])
        case Not(part):
            return opposite(compile(target, part))
        case Compared(operator=operator, near=near):
            return UNDECIDED if near is None or operator == "ne" else compile(target, near)._replace(exact=False)
        case Joined():
            return _joined(target, condition)
        case Inside(pat, tokens):
            inside = f"(r.pat = {target.add(pat, 'int8')} or r.tok && {target.add(list(tokens), 'int8[]')})"
            return Fragment(inside, drive="few")
        case Selves(hashes=hashes):
            return Fragment(f"r.self = any({target.add(list(hashes), 'int8[]')})", drive="few")
        case Open():
            return UNDECIDED
    raise Problem("exception", "a link was not followed before it was compiled")


def _joined(target: Target, link: Joined) -> Fragment:
    """A semi-join: the inner select has an ``r`` of its own, and its arguments among the outer ones.

    As a probe it is a select that PostgreSQL does not turn into a join (``offset 0``), because it would read all rows to join them.
    """
    inner = replace(target, type=link.type)
    found = compile(inner, link.inner)
    if not found.exact:
        raise Problem("exception", "a link that must be decided in memory was left to SQL")
    where = f"r.tenant = {target.tenant_number()} and r.{link.theirs} is not null and {found.sql}"
    table = inner.layout.current
    probe = f"exists (select 1 from (select r.{link.mine} as key) k join {table} r on r.{link.theirs} = k.key where {where} offset 0)"
    return Fragment(f"r.{link.mine} in (select r.{link.theirs} from {table} r where {where})", probe=probe)


def _criterion(target: Target, criterion: Criterion) -> Fragment:
    kind = kind_of(criterion)
    if criterion.modifier == "missing":
        return missing(target, criterion)
    union = UNIONS.get((target.type, criterion.param))
    if union is None:
        return kind.compile(target, criterion)
    negative = criterion.modifier == "not"
    parts = [replace(criterion, param=param, modifier="" if negative else criterion.modifier) for param in union]
    found = either([kind.compile(target, part) for part in parts])
    return opposite(found) if negative else found
