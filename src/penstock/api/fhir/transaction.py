"""transaction: all entries or none (http://hl7.org/fhir/R4/http.html#transaction).

Strategy. Inside one database transaction: give every entry its identity (a new id, or the one that its condition finds), replace
the links between entries, write everything in one call of the store, then read. Whatever goes wrong anywhere undoes all of it. When
somebody else wins a race for a condition, the whole is done again.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import cast

from penstock.api.fhir.find import find_ids, find_one

from penstock.api.conditions import if_match, is_new_only
from penstock.api.fhir.accept import valid
from penstock.api.fhir.answers import entry_of, inner
from penstock.api.fhir.entries import ORDER, Entry, Resource, within
from penstock.api.fhir.links import conditional_references, names_of, relink
from penstock.api.fhir.write import cause, written
from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.db import Database, Tx
from penstock.errors import Problem, Problems
from penstock.store import Change, Written

_ROUNDS = 4
_VERBS = {"POST": "create", "PUT": "update", "DELETE": "delete"}


async def transaction(parts: Parts, request: Request, entries: Sequence[Entry]) -> list[bytes]:
    """Do all entries; the entries of the response, in the order of the request."""
    _check(entries)
    await parts.store.ensure(parts.database, {entry.type for entry in entries if not entry.reads})
    for last in (False,) * (_ROUNDS - 1) + (True,):
        try:
            async with parts.database.transaction() as tx:
                return await _Attempt(parts, request, tx).run(entries)
        except Problem as problem:
            if problem.code != "conflict" or last:
                raise
    raise AssertionError("the last round returns or raises")


def _check(entries: Sequence[Entry]) -> None:
    """What can be said without the database: every resource is valid, and no two entries are about the same."""
    problems: list[Problem] = []
    for entry in entries:
        if entry.resource is not None:
            try:
                valid(entry.resource, entry.type)
            except Problem as problem:
                problems.append(within(problem, entry.at))
    subjects = Counter(
        (entry.type, entry.id or entry.criteria or entry.conditions.get("ifNoneExist")) for entry in entries if not entry.reads
    )
    twice = {subject for subject, number in subjects.items() if number > 1 and subject[1] is not None}
    names = Counter(entry.full_url for entry in entries if entry.full_url is not None and not entry.reads)
    for entry in entries:
        if not entry.reads and (entry.type, entry.id or entry.criteria or entry.conditions.get("ifNoneExist")) in twice:
            problems.append(Problem("invalid", "two entries of a transaction are about the same resource", at=entry.at))
        elif entry.full_url is not None and names[entry.full_url] > 1:
            problems.append(Problem("invalid", "two entries of a transaction have the same fullUrl", at=f"{entry.at}.fullUrl"))
    if problems:
        raise Problems(problems)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One try, in one database transaction."""

    parts: Parts
    request: Request
    tx: Tx

    async def run(self, entries: Sequence[Entry]) -> list[bytes]:
        writes = sorted((entry for entry in entries if not entry.reads), key=lambda entry: ORDER.index(entry.method))
        ids = {entry.number: await self._identify(entry) for entry in writes}
        links = await self._links(writes, ids)
        changes = [await self._change(entry, ids[entry.number], links) for entry in writes]
        answers: dict[int, Reply] = {}
        for entry, outcome in zip(writes, await self._write(writes, changes), strict=True):
            if isinstance(outcome, Written):
                answers[entry.number] = written(self.request, outcome)
            else:
                answers[entry.number] = outcome
        for entry in entries:
            if entry.reads:
                answers[entry.number] = await self._read(entry)
        return [entry_of(answers[entry.number]) for entry in entries]

    async def _identify(self, entry: Entry) -> str | None:
        """The id that an entry writes: its own, the one that its condition finds, or a new one; None: there is nothing to delete."""
        if entry.id is not None:
            return entry.id
        criteria = entry.conditions.get("ifNoneExist") if entry.method == "POST" else entry.criteria
        if entry.method != "POST" and not criteria:
            raise Problem("required", "a PUT or DELETE names its resource by id or by a condition", at=f"{entry.at}.request.url")
        if criteria:
            found = await find_one(self.parts, self.tx, self.request.access, entry.type, criteria, at=f"{entry.at}.request")
            if found is not None or entry.method == "DELETE":
                return found
        own = entry.resource.get("id") if entry.resource is not None and entry.method == "PUT" else None
        return own if isinstance(own, str) else str(uuid.uuid4())

    async def _links(self, writes: Sequence[Entry], ids: dict[int, str | None]) -> dict[str, str]:
        links: dict[str, str] = {}
        for entry in writes:
            id_ = ids[entry.number]
            if entry.full_url is not None and id_ is not None:
                links |= dict.fromkeys(names_of(entry.full_url, entry.type), f"{entry.type}/{id_}")
        for entry in writes:
            for reference in conditional_references(entry.resource):
                if reference not in links:
                    links[reference] = await self._referenced(entry, reference)
        return links

    async def _referenced(self, entry: Entry, reference: str) -> str:
        type_, _, criteria = reference.partition("?")
        found = await find_ids(self.parts, self.tx, self.request.access, type_, criteria, at=f"{entry.at}.resource")
        if len(found) != 1:
            raise Problem("precondition", "a conditional reference finds no resource, or several", at=f"{entry.at}.resource")
        return f"{type_}/{found[0]}"

    async def _change(self, entry: Entry, id_: str | None, links: dict[str, str]) -> Change | None:
        if id_ is None:
            return None
        resource: Resource | None = None
        if entry.resource is not None:
            if entry.method == "PUT" and entry.id is not None and entry.resource.get("id") != entry.id:
                raise Problem("invalid", "the resource has another id than the URL, or none", at=f"{entry.at}.resource.id")
            resource = relink(entry.resource, links, f"{entry.at}.resource")
            conceal = self.parts.conceal.get(entry.type)
            resource = await conceal(self.tx, resource) if conceal else resource
        return Change(
            _VERBS[entry.method],  # type: ignore[arg-type] # the table holds the three verbs
            entry.type,
            id_,
            resource,
            if_match=if_match(entry.conditions.get("ifMatch")),
            if_none_exist=entry.conditions.get("ifNoneExist") if entry.method == "POST" else None,
            criteria=entry.criteria,
            expect_new=is_new_only(entry.conditions.get("ifNoneMatch")),
        )

    async def _write(self, writes: Sequence[Entry], changes: Sequence[Change | None]) -> list[Written | Reply]:
        doing = [change for change in changes if change is not None]
        outcomes = iter(await self.parts.store.write(self.tx, self.request.access, doing, cause(self.request)))
        done: list[Written | Reply] = []
        problems: list[Problem] = []
        for entry, change in zip(writes, changes, strict=True):
            outcome = next(outcomes) if change is not None else Reply(204)
            if isinstance(outcome, Problem):
                problems.append(within(outcome, entry.at))
            elif isinstance(outcome, Written) and change is not None and outcome.id != change.id:
                problems.append(Problem("conflict", "somebody else made this resource at the same moment", at=entry.at))
            else:
                done.append(outcome)
        if problems:
            raise Problems(problems)
        return done

    async def _read(self, entry: Entry) -> Reply:
        """Answer a GET as if it came by itself, but within this transaction."""
        parts = replace(self.parts, database=cast(Database, _Within(self.tx)))  # a reader opens connections, and nothing else
        reply = await self.request.dispatch(inner(self.request, entry), parts)
        if reply.status >= 400:
            raise Problem("not-found" if reply.status in (404, 410) else "invalid", "this read failed", at=entry.at)
        return reply


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
