"""update and delete, with their conditional forms (http://hl7.org/fhir/R4/http.html#update, #delete), and what all writes share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from penstock.api.conditions import if_match, is_new_only, version_headers
from penstock.api.fhir.accept import sent_resource
from penstock.api.fhir.find import find_ids, find_one
from penstock.api.fhir.subject import FORM, fhir_reply, id_of, type_of
from penstock.api.fhir.subscription import require_readable
from penstock.api.negotiate import preference
from penstock.api.parts import Parts
from penstock.api.passage import unchanged, way_of
from penstock.api.reply import Header, Reply
from penstock.api.request import Request
from penstock.db import Tx
from penstock.errors import Problem, Problems
from penstock.formats.fhir.json import decode, encode
from penstock.formats.fhir.outcome import of_issues, success
from penstock.store import Cause, Change, Written

Edit = Callable[[dict[str, Any]], dict[str, Any]]


async def update(parts: Parts, request: Request) -> Reply:
    """``PUT /fhir/{type}/{id}``: a new version, or a new resource where there was none."""
    resource = await sent_resource(request, type_of(request))
    if resource.get("id") != id_of(request):
        raise Problem("invalid", "the resource has another id than the URL, or none", at="Resource.id")
    change = Change("update", type_of(request), id_of(request), resource)
    return told(parts, request, await write_one(parts, request, conditions(parts, request, change)))


async def conditional_update(parts: Parts, request: Request) -> Reply:
    """``PUT /fhir/{type}?query``: the one that the query finds, or a new one; 412 when it finds several."""
    resource = await sent_resource(request, type_of(request))
    change = Change("update", type_of(request), resource.get("id"), resource, criteria=criteria(request))
    return told(parts, request, await write_one(parts, request, conditions(parts, request, change)))


async def delete(parts: Parts, request: Request) -> Reply:
    """``DELETE /fhir/{type}/{id}``: leaves a tombstone; deleting what is deleted, or was never there, is fine."""
    return await _delete(parts, request, Change("delete", type_of(request), id_of(request)))


async def conditional_delete(parts: Parts, request: Request) -> Reply:
    """``DELETE /fhir/{type}?query``: what the query finds, if anything; 412 when it finds more than one delete may delete."""
    change = Change("delete", type_of(request), criteria=criteria(request))
    if parts.settings.delete_matches == 1 or request.header(b"if-match") is not None:
        return await _delete(parts, request, change)
    await _delete_all(parts, request, change)
    return gone(request)


async def _delete(parts: Parts, request: Request, change: Change) -> Reply:
    try:
        return written(request, await write_one(parts, request, conditions(parts, request, change)))
    except Problem as problem:
        if problem.code == "not-found":  # http.html#delete: also where the resource does not exist at all
            parts.note(unchanged(request))
            return gone(request)
        raise


async def _delete_all(parts: Parts, request: Request, change: Change) -> None:
    """Everything that the condition finds, or nothing."""
    require_version(parts, change)
    most = parts.settings.delete_matches
    await parts.store.ensure(parts.database, [change.type])
    async with parts.database.transaction() as tx:
        found = await find_ids(parts, tx, request.access, change.type, change.criteria or "", at="http.query", most=most + 1)
        if len(found) > most:
            raise Problem("multiple-matches", "the condition finds more resources than one delete may delete", at="http.query")
        deletes = [Change("delete", change.type, id_) for id_ in found]
        outcomes = await parts.store.write(tx, request.access, deletes, cause(request, change))
        if problems := [each for each in outcomes if isinstance(each, Problem)]:
            raise Problems(problems)


async def write_one(parts: Parts, request: Request, change: Change) -> Written:
    """Write with the group commit; what must be looked at or concealed first is written in a transaction of its own."""
    if not _needs_care(parts, change):
        return noted(parts, request, await parts.writer.submit(request.access, change, cause(request, change)))
    await parts.store.ensure(parts.database, [change.type])
    async with parts.database.transaction() as tx:
        hidden = await concealed(parts, tx, request, change)
        (outcome,) = await parts.store.write(tx, request.access, [hidden], cause(request, hidden))
        if isinstance(outcome, Problem):
            raise outcome
    return noted(parts, request, outcome)


def noted(parts: Parts, request: Request, outcome: Written) -> Written:
    """``outcome``; that nothing was to be changed leaves no version and no event, and is noted."""
    if outcome.op == "same":
        parts.note(unchanged(request))
    return outcome


def _needs_care(parts: Parts, change: Change) -> bool:
    """Whether the type has something to conceal, or says what is read later (a Subscription)."""
    return change.verb != "delete" and (change.type == "Subscription" or change.type in parts.conceal)


async def concealed(parts: Parts, tx: Tx, request: Request, change: Change) -> Change:
    """``change`` with what nobody may read taken out of its resource; a patch becomes the update that it makes of the current version."""
    if not _needs_care(parts, change):
        return change
    if change.verb == "patch":
        change = await _update_of(parts, tx, request, change)
    assert change.resource is not None
    require_readable(request.access, change.resource)
    conceal = parts.conceal.get(change.type)
    return replace(change, resource=await conceal(tx, change.resource)) if conceal else change


async def _update_of(parts: Parts, tx: Tx, request: Request, change: Change) -> Change:
    """The update that a patch is, of a version that is locked."""
    id_ = change.id
    if change.criteria is not None:
        id_ = await find_one(parts, tx, request.access, change.type, change.criteria, at="http.query")
    found = await parts.store.read_many(tx, request.access, [(change.type, id_)], lock=True) if id_ else {}
    if id_ is None or not found:
        raise Problem("not-found", "there is no such resource")
    assert change.edit is not None
    (stored,) = found.values()
    return replace(change, verb="update", id=id_, criteria=None, edit=None, resource=change.edit(stored.resource()))


def cause(request: Request, *changes: Change) -> Cause:
    """Why this request writes ``changes``, and by which rights."""
    granted = request.access.granted
    rule = granted(changes[0].verb, changes[0].type) if len(changes) == 1 else " ".join({granted(each.verb, each.type) for each in changes})
    return Cause(request.trace_id, None, request.access.client, request.now, way_of(request, rule))


def written(request: Request, outcome: Written, *, returns: str = "representation") -> Reply:
    """The answer to a write (http.html#2.21.0.5): 201 only for what is new; what comes back is ``returns`` unless the client says."""
    headers = version_headers(outcome.ver, outcome.last_updated)
    if outcome.op == "delete" or not outcome.body:
        return gone(request, headers[:1])
    location = f"{request.base}/fhir/{outcome.type}/{outcome.id}/_history/{outcome.ver}".encode()
    headers = (*headers, (b"location", location))
    status = 201 if outcome.op == "create" else 200
    returns = preference(request.header(b"prefer")).returns or returns
    if returns == "minimal":
        return Reply(status, headers=headers)
    body = encode(success("the change is stored")) if returns == "OperationOutcome" else outcome.body
    return fhir_reply(status, body, headers)


def told(parts: Parts, request: Request, outcome: Written) -> Reply:
    """The same; a client that prefers an outcome is told what the site demands and lets pass with a warning."""
    if preference(request.header(b"prefer")).returns != "OperationOutcome" or not outcome.body:
        return written(request, outcome)
    issues = parts.demands.check(decode(outcome.body), request.access.client, now=request.now)
    reply = written(request, outcome)
    return reply._replace(body=encode(of_issues(issues))) if issues else reply


def gone(request: Request, headers: tuple[Header, ...] = ()) -> Reply:
    """The answer to a delete: nothing, or an outcome where that is preferred (http.html#delete)."""
    if preference(request.header(b"prefer")).returns == "OperationOutcome":
        return fhir_reply(200, encode(success("nothing is left to delete")), headers)
    return Reply(204, headers=headers)


def conditions(parts: Parts, request: Request, change: Change, *, edit: Edit | None = None) -> Change:
    """``change`` under the conditions of the headers, and with what it does to the current version where that is decided by a patch."""
    match, new_only = if_match(request.header(b"if-match")), is_new_only(request.header(b"if-none-match"))
    change = replace(change, if_match=match, expect_new=new_only, edit=edit or change.edit)
    require_version(parts, change)
    return change


def require_version(parts: Parts, change: Change) -> None:
    """Refuse a change without If-Match where the site asks for it (http.html#concurrency); what is made new needs none."""
    types = parts.settings.if_match_types
    if types and change.if_match is None and not change.expect_new and change.verb != "create" and not {change.type, "*"}.isdisjoint(types):
        raise Problem("precondition", "this resource type is changed only with If-Match", at="http.if-match")


def criteria(request: Request) -> str:
    """The query of a conditional interaction, without what is about the form of the answer."""
    request.access.require("search", type_of(request))
    criteria = "&".join(part for part in request.query.split("&") if part.partition("=")[0] not in FORM)
    if not criteria:
        raise Problem("required", "a conditional interaction has a query", at="http.query")
    return criteria
