"""Conditional create, update, patch and delete (http://hl7.org/fhir/R4/http.html#ccreate, #cond-update, #patch, #cdelete), free of races.

Each criterion has a row in ``guard``. A batch locks the rows of its criteria, in one order, before it searches: whoever has the same
criterion waits until the batch has committed, and then finds what it made. Within the batch, what earlier changes made is looked at too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from penstock.db import Tx
from penstock.errors import Problem, explain
from penstock.formats.fhir.searchparams import Parameters
from penstock.store.batch import Item, State
from penstock.store.change import Key
from penstock.store.hashing import h64, prefix
from penstock.store.identified import owned
from penstock.store.search.condition import is_alone
from penstock.store.search.criterion import Criterion, plain, split
from penstock.store.search.match import matches
from penstock.store.search.page import Search
from penstock.store.search.parse import parse
from penstock.store.search.query import Query
from penstock.store.statements import SQL


@dataclass(frozen=True, slots=True)
class Condition:
    """The criterion of a conditional change, and the ids that it matched when the batch began."""

    query: Query
    guard: int
    matched: tuple[str, ...] = ()


def condition_of(item: Item, parameters: Parameters) -> Condition | None:
    """The condition of a change, or None; a criterion that is empty or not understood is refused."""
    change = item.change
    text = change.if_none_exist if change.verb == "create" else change.criteria
    if text is None:
        return None
    query = parse(change.type, text, parameters=parameters)
    if not (query.criteria or query.conditions) or query.sort or query.cursor or query.includes or query.revincludes:
        raise Problem("invalid", "a conditional interaction has search criteria, and nothing else")
    if not all(map(is_alone, query.conditions)):
        raise Problem("not-supported", "a conditional interaction has criteria about the resource itself, not about what it is linked to")
    canonical = sorted((each.param, each.modifier, sorted(each.values)) for each in query.criteria)
    bare = Query(query.type, query.criteria, query.conditions, count=2)
    return Condition(bare, h64(f"{item.access.tenant}\x1f{change.type}\x1f{canonical!r}{query.conditions!r}"))


async def resolve(tx: Tx, search: Search, asked: Mapping[int, tuple[Item, Condition]]) -> dict[int, Condition | Problem]:
    """Lock the criteria, and find what each matches now."""
    guards = sorted({condition.guard for _, condition in asked.values()})
    await tx.execute(SQL["guard"], guards)
    await tx.execute(SQL["hold_guard"], guards)
    known = await owned(tx, {number: (item.access, condition.query) for number, (item, condition) in asked.items()})
    resolved: dict[int, Condition | Problem] = {number: replace(asked[number][1], matched=ids) for number, ids in known.items()}
    for number, (item, condition) in asked.items():
        if number in known:
            continue
        try:
            page = await search.page(tx, item.access, condition.query)
        except Problem as problem:
            resolved[number] = problem
        else:
            resolved[number] = replace(condition, matched=tuple(entry.stored.id for entry in page.entries))
    return resolved


def key_of(item: Item, condition: Condition, fresh: str) -> Key:
    """The resource that a conditional change is about: the one that matched, or a new one under its own id or ``fresh``."""
    change, matched = item.change, condition.matched
    if len(matched) > 1:
        raise Problem("multiple-matches", "more than one resource matches the criteria of this interaction")
    if not matched:
        if change.verb in ("delete", "patch"):
            raise Problem("not-found", "no resource matches the criteria of this interaction")
        return change.type, change.id or fresh
    if change.verb == "update" and change.id not in (None, matched[0]):
        raise Problem("invalid", "the resource that matches the criteria has another id than the one that is written")
    return change.type, matched[0]


class Made:
    """What a batch has made so far, as its later conditions must see it."""

    def __init__(self) -> None:
        self._states: dict[tuple[str, str], dict[Key, State]] = defaultdict(dict)
        self._by_identifier: dict[int, list[State]] = defaultdict(list)

    def add(self, state: State) -> None:
        """Take note of a resource that was just written."""
        if state.added and (row := state.added[-1].row):
            self._states[state.tenant, state.key[0]][state.key] = state
            for value, _ in row.ident:
                self._by_identifier[value].append(state)

    def find(self, tenant: str, query: Query) -> State | None:
        """The resource among them that a query matches."""
        found = {state.key: state for state in self._candidates(tenant, query) if _matches(query, state)}
        if len(found) > 1:
            raise Problem("multiple-matches", "more than one resource matches the criteria of this interaction")
        return next(iter(found.values()), None)

    def _candidates(self, tenant: str, query: Query) -> Iterable[State]:
        for criterion in query.criteria:
            if criterion.param == "identifier" and not criterion.modifier:
                start = prefix(tenant, query.type, "identifier")
                return [state for value in _values(criterion) for state in self._by_identifier.get(h64(start + value), ())]
        return self._states[tenant, query.type].values()


def _values(criterion: Criterion) -> set[str]:
    return {plain(split(value, "|")[-1]) for value in criterion.values}


def _matches(query: Query, state: State) -> bool:
    if state.resource is None or state.indexed is None:
        return False
    try:
        resource, index = {**state.resource, "id": state.key[1]}, state.index
        return matches(query, state.indexed, resource, parameters=index.parameters, terminology=index.terminology)
    except Exception as error:
        raise explain(error) from error
