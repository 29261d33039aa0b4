"""What a batch of changes does to the resources it names: pure bookkeeping between locking the rows and writing them.

Each :class:`State` holds one resource; changes are applied to it in their order, so that several changes of one resource in one batch
make as many versions. A change that cannot be done raises its Problem and leaves the state as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import NamedTuple

from penstock.auth.access import Access
from penstock.errors import Problem
from penstock.formats.fhir import json
from penstock.formats.fhir.searchparams import Indexed, custom
from penstock.store.body import skeleton, splice
from penstock.store.change import Cause, Change, Key, Op, Resource, Written
from penstock.store.compartment import bounds
from penstock.store.index import Index
from penstock.store.rid import Rids, last_updated
from penstock.store.row import Row


class Item(NamedTuple):
    """One change, on whose behalf, and why."""

    access: Access
    change: Change
    cause: Cause


class Version(NamedTuple):
    """A version that the batch adds; a tombstone has no body and no row."""

    ver: int
    rid: int
    body: bytes
    row: Row | None


#: Raises a Problem when a resource, written for that cause, is not as the site demands.
Uphold = Callable[[Resource, Cause], object]


def anything(resource: Resource, cause: Cause) -> None:
    """No demands."""


#: Of a state that nobody gave another one: R4's own parameters.
_R4 = Index()


@dataclass(slots=True, eq=False)
class State:
    """One resource in the course of a batch: first what the database has, then what it will have."""

    key: Key
    tenant: str
    self: int
    #: The newest version number and rid; 0 before the first version.
    ver: int = 0
    rid: int = 0
    #: The newest body; None when it is deleted, or was never there.
    body: bytes | None = None
    pat: int | None = None
    tok: Collection[int] = ()
    #: rid of the row in the current table, which is locked; None when there is none.
    locked: int | None = None
    added: list[Version] = field(default_factory=list)
    #: What the newest version is found by, when the batch added it.
    resource: Resource | None = None
    indexed: Indexed | None = None
    #: How a new version is made findable.
    index: Index = _R4
    #: What else it must keep to.
    uphold: Uphold = anything

    def written(self, op: Op) -> Written:
        return Written(*self.key, self.ver, self.rid, op, last_updated(self.rid), self.body or b"")


def apply(state: State, item: Item, rids: Rids) -> Written:
    """Do one change to ``state``."""
    if state.body is not None:
        require_inside(item.access, state.key[0], state.pat, state.tok)
    if item.change.if_match is not None and (state.body is None or item.change.if_match != state.ver):
        raise Problem("precondition", "the version in If-Match is not the current version")
    return _VERBS[item.change.verb](state, item, rids)


def _create(state: State, item: Item, rids: Rids) -> Written:
    if state.body is not None:
        raise Problem("duplicate", "a resource with this id exists already")
    return _update(state, item, rids)


def _update(state: State, item: Item, rids: Rids) -> Written:
    if item.change.expect_new and state.body is not None:
        raise Problem("precondition", "a resource with this id exists already")
    return _put(state, item, item.change.resource, rids)


def _patch(state: State, item: Item, rids: Rids) -> Written:
    if state.body is None:
        raise Problem("deleted", "this resource was deleted") if state.ver else Problem("not-found", "there is no such resource")
    assert item.change.edit is not None
    resource = item.change.edit(json.decode(state.body))
    if resource.get("id") != state.key[1]:
        raise Problem("invalid", "a patch does not change the id of a resource", at="Resource.id")
    return _put(state, item, resource, rids)


def _put(state: State, item: Item, resource: Resource | None, rids: Rids) -> Written:
    """The next version, or the same one where nothing changes."""
    type, id = state.key
    if resource is None or resource.get("resourceType") != type:
        raise Problem("invalid", "the resource is not of the type that is written", at="resourceType")
    if type == "SearchParameter":
        custom.check(resource)
    bare = skeleton(resource, id)
    if state.body is not None and splice(bare, type, id, state.ver, state.rid) == state.body:
        return state.written("same")
    state.uphold(resource, item.cause)
    indexed = state.index.parameters.extract(resource)
    row = state.index.row(state.tenant, type, id, indexed)
    require_inside(item.access, type, row.pat, row.tok)
    op: Op = "create" if state.body is None else "update"
    ver, rid = state.ver + 1, rids.next(state.rid)
    _add(state, Version(ver, rid, splice(bare, type, id, ver, rid), row))
    state.resource, state.indexed = resource, indexed
    return state.written(op)


def _delete(state: State, item: Item, rids: Rids) -> Written:
    if state.ver == 0:
        raise Problem("not-found", "there is no such resource")
    if state.body is None:
        return state.written("same")
    _add(state, Version(state.ver + 1, rids.next(state.rid), b"", None))
    state.resource = state.indexed = None
    return state.written("delete")


def _add(state: State, version: Version) -> None:
    state.added.append(version)
    state.ver, state.rid = version.ver, version.rid
    state.body = version.body if version.row else None
    state.pat = version.row.pat if version.row else None
    state.tok = version.row.tok if version.row else ()


def require_inside(access: Access, type: str, pat: int | None, tokens: Collection[int]) -> None:
    """Refuse what an access that is bound to a patient may not touch."""
    inside = bounds(access, type)
    if inside is not None and not inside.hold(pat, tokens):
        raise Problem("forbidden", "this resource is outside of the patient's compartment")


_VERBS: dict[str, Callable[[State, Item, Rids], Written]] = {
    "create": _create,
    "update": _update,
    "patch": _patch,
    "delete": _delete,
}
