"""transaction: all entries or none (http://hl7.org/fhir/R4/http.html#transaction).

Strategy. Inside one database transaction: give every entry its identity (a new id, or the one that its condition finds), replace
the links between entries, write everything in one call of the store, then read. Whatever goes wrong anywhere undoes all of it. When
somebody else wins a race for a condition, the whole is done again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

from penstock.api.conditions import if_match, is_new_only
from penstock.api.fhir.accept import require_whole, valid
from penstock.api.fhir.answers import entry_of, inner
from penstock.api.fhir.entries import ORDER, Entry, Resource, within
from penstock.api.fhir.identities import Identity, identify, referenced
from penstock.api.fhir.links import names_of, relink
from penstock.api.fhir.write import cause, concealed, require_version, written
from penstock.api.operations import OPERATIONS
from penstock.api.parts import Parts
from penstock.api.passage import unchanged
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.db import Database, Tx, after_commit
from penstock.errors import Problem, Problems
from penstock.formats.fhir.patch import of_resource
from penstock.store import Change, Written

_ROUNDS = 4
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
#: Operations that change something: what they do could not be undone with the rest.
_CHANGING = frozenset(each.code for each in OPERATIONS if each.changes)


async def transaction(parts: Parts, request: Request, entries: Sequence[Entry]) -> list[bytes]:
    """Do all entries; the entries of the response, in the order of the request."""
    writes = sorted((entry for entry in entries if entry.writes), key=lambda entry: ORDER.index(entry.method))
    _check(entries, writes)
    await parts.store.ensure(parts.database, {entry.type for entry in writes})
    for last in (False,) * (_ROUNDS - 1) + (True,):
        try:
            async with parts.database.transaction() as tx:
                answers = await _Attempt(parts, request, tx).run(entries, writes)
                return [entry_of(answers[entry.number], wrote=entry.writes) for entry in entries]
        except Problem as problem:
            if problem.code != "conflict" or last:
                raise
    raise AssertionError("the last round returns or raises")


def _check(entries: Sequence[Entry], writes: Sequence[Entry]) -> None:
    """What can be said without the database: every resource is valid, and no two entries are about the same."""
    problems: list[Problem] = []
    for entry in entries:
        if entry.operation in _CHANGING:
            problems.append(Problem("not-supported", "a transaction has no operation that changes something", at=entry.at))
    subjects = Counter(entry.subject for entry in writes)
    names = Counter(entry.full_url for entry in writes)
    for entry in writes:
        if entry.method != "POST" and entry.subject is None:
            problems.append(
                Problem("required", "a PUT, PATCH or DELETE names its resource by id or by a condition", at=f"{entry.at}.request.url")
            )
        if entry.subject is not None and subjects[entry.subject] > 1:
            problems.append(_overlap(entry))
        if entry.full_url is not None and names[entry.full_url] > 1:
            problems.append(Problem("invalid", "two entries of a transaction have the same fullUrl", at=f"{entry.at}.fullUrl"))
        if entry.resource is not None and entry.method != "PATCH":
            try:
                resource = valid(entry.resource, entry.type)
                if entry.method == "PUT":
                    require_whole(resource)
            except Problem as problem:
                problems.append(within(problem, entry.at))
    if problems:
        raise Problems(problems)


def _overlap(entry: Entry) -> Problem:
    return Problem("invalid", "two entries of a transaction are about the same resource", at=entry.at)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One try, in one database transaction."""

    parts: Parts
    request: Request
    tx: Tx

    async def run(self, entries: Sequence[Entry], writes: Sequence[Entry]) -> dict[int, Reply]:
        """The answers by entry."""
        identities = await identify(self.parts, self.tx, self.request.access, writes)
        links = await self._links(writes, identities)
        todo: list[tuple[Entry, Change]] = []
        answers: dict[int, Reply] = {}
        for entry in writes:
            identity = identities[entry.number]
            if entry.method == "POST" and identity.found:
                answers[entry.number] = await self._existing(entry, identity.id)
            elif entry.method == "DELETE" and entry.id is None and not identity.found:
                answers[entry.number] = Reply(204)
            else:
                todo.append((entry, await self._change(entry, identity, links)))
        _refuse_overlaps(todo)
        if writes:
            answers |= await self._write(todo)
        for entry in entries:
            if not entry.writes:
                answers[entry.number] = await self._read(entry)
        return answers

    async def _existing(self, entry: Entry, id_: str) -> Reply:
        """A conditional create that has nothing to do tells of the resource that is there."""
        self.request.access.require("create", entry.type)
        stored = await self.parts.store.read(self.tx, self.request.access, entry.type, id_)
        if stored is None or stored.op == "delete":
            raise Problem("conflict", "somebody else deleted this resource at the same moment", at=entry.at)
        outcome = Written(stored.type, stored.id, stored.ver, stored.rid, "same", stored.last_updated, stored.body)
        return written(self.request, outcome, returns="minimal")

    async def _links(self, writes: Sequence[Entry], identities: Mapping[int, Identity]) -> dict[str, str]:
        """What every name in the Bundle becomes: those that entries have, and those that are searches."""
        links: dict[str, str] = {}
        for entry in writes:
            if entry.full_url is not None:
                links |= dict.fromkeys(names_of(entry.full_url, entry.type), f"{entry.type}/{identities[entry.number].id}")
        return links | await referenced(self.parts, self.tx, self.request.access, writes, identities, links)

    async def _change(self, entry: Entry, identity: Identity, links: dict[str, str]) -> Change:
        if entry.method == "PATCH" and entry.id is None and not identity.found:
            raise Problem("not-found", "no resource matches the criteria of this interaction", at=entry.at)
        resource = relink(entry.resource, links, f"{entry.at}.resource") if entry.resource is not None else None
        patches = entry.method == "PATCH" and resource is not None
        change = Change(
            _VERBS[entry.method],  # type: ignore[arg-type] # the table holds the four verbs
            entry.type,
            identity.id,
            None if patches else resource,
            if_match=if_match(entry.conditions.get("ifMatch")),
            if_none_exist=entry.condition if entry.method == "POST" else None,
            criteria=entry.condition if entry.method == "PUT" else None,
            expect_new=is_new_only(entry.conditions.get("ifNoneMatch")),
            edit=_edit(resource, entry.type) if patches and resource else None,
        )
        try:
            require_version(self.parts, change)
        except Problem as problem:
            raise within(problem, entry.at) from None
        return await concealed(self.parts, self.tx, self.request, change)

    async def _write(self, todo: Sequence[tuple[Entry, Change]]) -> dict[int, Reply]:
        """Write everything in one call; the answers by entry, or all that went wrong."""
        changes = [change for _, change in todo]
        outcomes = await self.parts.store.write(self.tx, self.request.access, changes, cause(self.request, *changes))
        answers: dict[int, Reply] = {}
        problems: list[Problem] = []
        for (entry, change), outcome in zip(todo, outcomes, strict=True):
            if isinstance(outcome, Written) and outcome.id == change.id:
                answers[entry.number] = written(self.request, outcome, returns="minimal")
            elif isinstance(outcome, Problem) and not (entry.condition and outcome.code == "invalid"):
                if change.verb == "delete" and outcome.code == "not-found":
                    answers[entry.number] = Reply(204)
                else:
                    problems.append(within(outcome, entry.at))
            else:
                problems.append(Problem("conflict", "somebody else made this resource at the same moment", at=entry.at))
        if problems:
            raise Problems(problems)
        if not any(isinstance(each, Written) and each.op != "same" for each in outcomes):
            after_commit(self.tx, partial(self.parts.note, unchanged(self.request)))
        return answers

    async def _read(self, entry: Entry) -> Reply:
        """Answer a GET, or an operation that only looks, as if it came by itself, but within this transaction."""
        parts = replace(self.parts, database=cast(Database, _Within(self.tx)))  # a reader opens connections, and nothing else
        reply = await self.request.dispatch(inner(self.request, entry), parts)
        if reply.status >= 400:
            raise Problem("not-found" if reply.status in (404, 410) else "invalid", "this read failed", at=entry.at)
        return reply


def _edit(patch: Resource, type_: str) -> Callable[[Resource], Resource]:
    apply = of_resource(patch)
    return lambda resource: valid(apply(resource), type_)


def _refuse_overlaps(todo: Sequence[tuple[Entry, Change]]) -> None:
    """Identities that conditions found must not overlap either (http.html#2.21.0.17.2)."""
    written = Counter((change.type, change.id) for _, change in todo)
    problems = [_overlap(entry) for entry, change in todo if written[change.type, change.id] > 1]
    if problems:
        raise Problems(problems)


class _Within:
    """A database whose every connection is the one transaction."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Tx]:
        yield self._tx

    @asynccontextmanager
    async def transaction(self, *, readonly: bool = False) -> AsyncIterator[Tx]:
        yield self._tx
