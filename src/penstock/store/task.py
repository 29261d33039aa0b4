"""One change of a batch, and the resource that it is about."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from penstock.clock import Chance
from penstock.errors import Problem
from penstock.store.batch import Item, State, apply, require_inside
from penstock.store.change import Key, Written
from penstock.store.conditional import Condition, Made, key_of
from penstock.store.hashing import self_hash
from penstock.store.rid import Rids
from penstock.store.tables import require_type
from penstock.store.write import States

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def check(item: Item) -> None:
    """What can be checked without the database: the type, the permission, and how the resource is named."""
    change = item.change
    require_type(change.type)
    item.access.require(change.verb, change.type)
    if change.id is None and change.verb != "create" and change.criteria is None:
        raise Problem("required", "this interaction names a resource by its id")
    if change.id is not None and not _ID.fullmatch(change.id):
        raise Problem("value", "an id has 1 to 64 letters, digits, hyphens and dots")


@dataclass(frozen=True, slots=True)
class Task:
    """A change and its resource; a ``fresh`` key was just made up, so that nothing can be there."""

    item: Item
    key: Key
    fresh: bool
    condition: Condition | None = None

    @property
    def whose(self) -> tuple[str, Key]:
        return self.item.access.tenant, self.key

    def state(self, states: States, made: Made) -> State:
        """The state that the change is applied to: for a condition that matched nothing, one that the batch itself has made."""
        unmatched = self.condition is not None and not self.condition.matched
        if unmatched and self.condition and (found := made.find(self.item.access.tenant, self.condition.query)):
            return found
        state = states.get(self.whose)
        if state is None:
            state = states[self.whose] = State(self.key, self.item.access.tenant, self_hash(self.item.access.tenant, *self.key))
        if unmatched and state.body is not None:  # http.html#cond-update: no matches, an id, and something has it
            raise Problem("duplicate", "nothing matches the criteria of this interaction, and another resource has this id")
        return state

    def do(self, state: State, rids: Rids) -> Written:
        """Apply the change. A conditional create of what is there already gives that, and changes nothing."""
        if self.condition and self.item.change.verb == "create" and state.body is not None:
            require_inside(self.item.access, state.key[0], state.pat, state.tok)
            return state.written("same")
        return apply(state, self.item, rids)


def task_of(item: Item, condition: Condition | Problem | None, chance: Chance) -> Task:
    """The task of a change whose condition, if it has one, was resolved."""
    if isinstance(condition, Problem):
        raise condition
    if condition is None and item.change.id is not None:
        return Task(item, (item.change.type, item.change.id), fresh=False)
    fresh = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    key = key_of(item, condition, fresh) if condition else (item.change.type, fresh)
    return Task(item, key, key[1] == fresh, condition)
