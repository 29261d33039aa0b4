"""``POST /fhir``: a batch, whose entries stand for themselves, or a transaction (http://hl7.org/fhir/R4/http.html#transaction)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from penstock.api.fhir.accept import sent
from penstock.api.fhir.answers import entry_of, inner
from penstock.api.fhir.bundles import bundle
from penstock.api.fhir.entries import ORDER, Entry, Resource, entries
from penstock.api.fhir.idempotency import refuse_key
from penstock.api.fhir.links import relink
from penstock.api.fhir.subject import fhir_reply
from penstock.api.fhir.transaction import transaction
from penstock.api.negotiate import preference
from penstock.api.parts import Parts
from penstock.api.passage import refused
from penstock.api.problems import render
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.errors import Problem, Problems

#: So many entries of a batch are done at once: enough for one group commit, too few to crowd out other callers.
_AT_ONCE = 64
_DEPENDS = "an entry of a batch refers to another one: only a transaction replaces temporary names"


async def submit(parts: Parts, request: Request) -> Reply:
    """Do what the Bundle in the body asks for, now or (``Prefer: respond-async``) later."""
    given = await sent(request)
    refuse_key(request)
    if given.get("resourceType") != "Bundle":
        raise Problem("invalid", "only a Bundle is posted here", at="resourceType")
    if preference(request.header(b"prefer")).later:
        return await request.later.begin(parts, request, partial(_done, parts, request, given))
    return await _done(parts, request, given)


async def _done(parts: Parts, request: Request, given: Resource) -> Reply:
    found = list(entries(given, request.base + "/fhir"))
    kind = given.get("type")
    if kind == "batch":
        request.door = "fhir:batch"
        answers = await _batch(parts, request, _independent(found))
    elif kind == "transaction":
        request.door = "fhir:transaction"
        problems = [each for each in found if isinstance(each, Problem)]
        if problems:
            raise Problems(problems)
        answers = await transaction(parts, request, [each for each in found if isinstance(each, Entry)])
    else:
        raise Problem("not-supported", "a Bundle that is posted here is a batch or a transaction", at="Bundle.type")
    return fhir_reply(200, bundle(f"{kind}-response", answers))


def _independent(found: Sequence[Entry | Problem]) -> list[Entry | Problem]:
    """Refuse entries that refer to others by a temporary name: in a batch nothing depends on anything (http.html#2.21.0.17.1)."""
    names = {entry.full_url: "#" for entry in found if isinstance(entry, Entry) and entry.full_url and entry.full_url.startswith("urn:")}
    if not names:
        return list(found)
    return [Problem("invalid", _DEPENDS, at=each.at) if isinstance(each, Entry) and _refers(each, names) else each for each in found]


def _refers(entry: Entry, names: Mapping[str, str]) -> bool:
    if entry.resource is None or not isinstance(entry.resource.get("resourceType"), str):
        return False
    try:
        return relink(entry.resource, names, "") is not entry.resource
    except Problem:  # a temporary name that nothing has
        return True


async def _batch(parts: Parts, request: Request, found: Sequence[Entry | Problem]) -> list[bytes]:
    """Each entry is a request of its own, through the same door."""
    answers: dict[int, Reply] = {}
    todo: list[Entry] = []
    for number, entry in enumerate(found):
        if isinstance(entry, Problem):
            parts.note(refused(request, entry))
            answers[number] = render(entry, fhir=True)
        else:
            todo.append(entry)
    for method in ORDER:
        of_method = [entry for entry in todo if entry.method == method]
        for start in range(0, len(of_method), _AT_ONCE):
            some = of_method[start : start + _AT_ONCE]
            replies = await asyncio.gather(*(request.dispatch(inner(request, entry), None) for entry in some))
            answers |= {entry.number: reply for entry, reply in zip(some, replies, strict=True)}
    return [entry_of(answers[number], wrote=isinstance(entry, Entry) and entry.writes) for number, entry in enumerate(found)]
