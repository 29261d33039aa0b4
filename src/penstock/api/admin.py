"""``/admin/v1``: what an operator asks and does. Thin: each handler checks its arguments and calls the part that knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from penstock import inbox
from penstock.api.feed import number
from penstock.api.parts import Parts
from penstock.api.problems import told
from penstock.api.reply import Reply, json_reply
from penstock.api.request import Request
from penstock.audit import failure
from penstock.audit.transactions import FIELDS, Window
from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4

_STATES = ("stored", "filtered", "quarantined")
_LANE = re.compile(r"-?\d{1,19}")
_MOST = 10_000
_BODY_LIMIT = 2**20


async def trace(parts: Parts, request: Request) -> Reply:
    """``GET /admin/v1/trace?q=``: every hop of a message, patient, resource, event or trace."""
    key = _query(request, "q").get("q", "")
    if not 0 < len(key) <= 512:
        raise Problem("required", "say with q what to look for", at="http.q")
    return json_reply(await parts.operations.trace(key))


async def transactions(parts: Parts, request: Request) -> Reply:
    """``GET /admin/v1/transactions?{field}=…&since=&until=&cursor=``: the hops that agree with every field, newest first, page by page."""
    given = _query(request, *FIELDS, "since", "until", "cursor")
    asked = {name: given[name] for name in FIELDS if given.get(name)}
    if any(len(value) > 512 for value in asked.values()):
        raise Problem("value", "this is longer than any field of the log", at="http.query")
    window = Window(_time(given, "since"), _time(given, "until"))
    return json_reply(await parts.operations.transactions(asked, window, given.get("cursor", "")))


async def lineage(parts: Parts, request: Request) -> Reply:
    """``GET /admin/v1/lineage/{type}/{id}`` and ``…/{version}``: which rule made which element from which field of which message."""
    type_, id_, version = request.params["type"], request.params["id"], request.params.get("version")
    if type_ not in r4().resource_types:
        raise Problem("not-found", "FHIR R4 has no such resource type")
    ver = None if version is None else number(version, 1, 10**9 - 1, at="http.version")
    return json_reply(await parts.operations.lineage(type_, id_, ver))


async def conservation(parts: Parts, request: Request) -> Reply:
    """``GET /admin/v1/conservation``: accepted = stored + filtered + quarantined + in flight, by interface."""
    async with parts.database.transaction(readonly=True) as tx:
        counts = await inbox.counts(tx)
    told = {name: {**vars(count), "conserved": count.conserved} for name, count in counts.items()}
    return json_reply({"conserved": all(count.conserved for count in counts.values()), "interfaces": told})


async def search_index(parts: Parts, request: Request) -> Reply:
    """``GET /admin/v1/search-index``: how far each resource type is indexed, and definitions of search parameters that cannot be used."""
    async with parts.database.transaction(readonly=True) as tx:
        types = await parts.store.index_states(tx)
    refused = [
        {"url": each.url, "code": each.problem.code, "text": each.problem.text, "at": each.problem.at} for each in parts.store.index.refused
    ]
    return json_reply({"ready": all(each.ready for each in types), "types": [each._asdict() for each in types], "refused": refused})


async def inbox_list(parts: Parts, request: Request) -> Reply:
    """``GET /admin/v1/inbox?state=&interface=&limit=``: messages that ended in a state (quarantined, where none is given), oldest first."""
    given = _query(request, "state", "interface", "code", "limit")
    state = given.get("state", "quarantined")
    if state not in _STATES:
        raise Problem("value", "state is stored, filtered or quarantined", at="http.state")
    limit = number(given.get("limit", "100"), 1, 1000, at="http.limit")
    async with parts.database.transaction(readonly=True) as tx:
        ids = await inbox.preview(tx, state=state, interface=given.get("interface"), code=given.get("code"), limit=limit)
        rows = await inbox.rows(tx, ids)
    return json_reply([_told(row) for row in rows])


async def inbox_one(parts: Parts, request: Request) -> Reply:
    """``GET /admin/v1/inbox/{inbox_id}``: what is known of a message, without its bytes."""
    return json_reply(_told(await _row(parts, request)))


def _told(row: inbox.Row) -> dict[str, Any]:
    """A message, and where, whose and by which rule it failed, if it did."""
    return row._asdict() | failure.of_message(row)


async def inbox_raw(parts: Parts, request: Request) -> Reply:
    """``GET /admin/v1/inbox/{inbox_id}/raw``: the bytes as they were received. They are patient data: the scope is its own."""
    row = await _row(parts, request)
    async with parts.database.transaction(readonly=True) as tx:
        found = await inbox.bodies(tx, [(row.inbox_id, row.received_at)])
    if row.inbox_id not in found:
        raise Problem("deleted", "the bytes of this message are no longer kept")
    return Reply(200, found[row.inbox_id], b"application/octet-stream")


async def inbox_replay(parts: Parts, request: Request) -> Reply:
    """``POST /admin/v1/inbox/replay`` with ``ids`` or a filter (``state``, ``interface``, ``code``, ``since``, ``until``).

    ``preview`` only says what it would do.
    """
    body = await members(request, ids=list, state=str, interface=str, code=str, since=str, until=str, preview=bool)
    ids, state = _numbers(body, "ids"), body.get("state")
    if not ids and state is None:
        raise Problem("required", "name the messages by ids, or by their state", at="ids")
    if state is not None and state not in _STATES:
        raise Problem("value", "state is stored, filtered or quarantined", at="state")
    async with parts.database.transaction() as tx:
        chosen = await inbox.preview(
            tx, ids=ids, interface=body.get("interface"), state=state, code=body.get("code"),
            since=_time(body, "since"), until=_time(body, "until"), limit=_MOST,
        )  # fmt: skip
        done = [] if body.get("preview", False) else await inbox.replay(tx, chosen)
    return json_reply({"chosen": len(chosen), "replayed": len(done), "ids": chosen})


async def lanes(parts: Parts, request: Request) -> Reply:
    """``GET /admin/v1/lanes``: the lanes that stand still, why, and how many messages wait in each."""
    _query(request)
    async with parts.database.transaction(readonly=True) as tx:
        stopped = await inbox.stopped_lanes(tx)
    return json_reply([lane._asdict() | {"lane": str(lane.lane), "problem": told(lane.problem)} for lane in stopped])


async def lanes_release(parts: Parts, request: Request) -> Reply:
    """``POST /admin/v1/lanes/release`` with ``lanes``: let them go on."""
    body = await members(request, lanes=list)
    numbers = [int(each) for each in body.get("lanes", []) if isinstance(each, str) and _LANE.fullmatch(each)]
    if not numbers or len(numbers) != len(body["lanes"]) or any(abs(each) >= 2**63 for each in numbers):
        raise Problem("value", "lanes are named by the texts that the list of lanes shows", at="lanes")
    async with parts.database.transaction() as tx:
        await inbox.release(tx, numbers)
    return json_reply({"released": len(numbers)})


async def dead(parts: Parts, request: Request) -> Reply:
    """``GET /admin/v1/dead``: deliveries that were given up."""
    limit = number(_query(request, "limit").get("limit", "100"), 1, 1000, at="http.limit")
    return json_reply(await parts.operations.dead(limit))


async def dead_retry(parts: Parts, request: Request) -> Reply:
    """``POST /admin/v1/dead/retry`` with the ``subscription`` and its ``seqs``, or ``all``"""
    body = await members(request, subscription=str, seqs=list, all=bool)
    return json_reply(await parts.operations.retry_dead(request.access, _needed(body, "subscription"), _letters(body)))


async def dead_discard(parts: Parts, request: Request) -> Reply:
    """``POST /admin/v1/dead/discard`` with the ``subscription``, its ``seqs`` or ``all``, and the ``reason``"""
    body = await members(request, subscription=str, seqs=list, all=bool, reason=str)
    subscription, reason = _needed(body, "subscription"), _needed(body, "reason")
    return json_reply(await parts.operations.discard_dead(subscription, _letters(body), reason))


async def deliveries_replay(parts: Parts, request: Request) -> Reply:
    """``POST /admin/v1/deliveries/replay`` with ``subscription``, ``since``, ``until``.

    ``preview`` (the default) only says what it would do.
    """
    body = await members(request, subscription=str, since=str, until=str, preview=bool)
    since, until = _time(body, "since"), _time(body, "until")
    if since is None or until is None or since >= until:
        raise Problem("required", "a window begins with since and ends with until", at="since")
    preview = body.get("preview", True)
    subscription = _needed(body, "subscription")
    return json_reply(await parts.operations.replay_deliveries(request.access, subscription, since, until, not preview))


async def _row(parts: Parts, request: Request) -> inbox.Row:
    inbox_id = request.params["inbox_id"]
    if not (inbox_id.isascii() and inbox_id.isdigit() and len(inbox_id) <= 18):
        raise Problem("not-found", "there is no such message")
    async with parts.database.transaction(readonly=True) as tx:
        found = await inbox.rows(tx, [int(inbox_id)])
    if not found:
        raise Problem("not-found", "there is no such message")
    return found[0]


def _query(request: Request, *known: str) -> dict[str, str]:
    given = dict(request.arguments())
    if not set(known).issuperset(given):
        raise Problem("not-supported", "this parameter is not known here", at="http.query")
    return given


async def members(request: Request, most: int = _BODY_LIMIT, /, **known: type) -> Mapping[str, Any]:
    """The JSON object in the body, with nothing but ``known`` members of these types."""
    request.limit = min(request.limit, most)
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        raise Problem("structure", "this is not valid JSON") from None
    if not isinstance(body, dict) or not set(known).issuperset(body):
        raise Problem("structure", "this is an object with a member that is not known here, or no object")
    for name, value in body.items():
        if type(value) is not known[name]:
            raise Problem("value", "this member is of another type", at=name)
        if isinstance(value, str) and "\0" in value:
            raise Problem("value", "this member contains the character U+0000", at=name)
    return body


def _numbers(body: Mapping[str, Any], name: str) -> list[int]:
    numbers = body.get(name, [])
    if len(numbers) > _MOST or any(type(each) is not int or not 0 < each < 2**63 for each in numbers):
        raise Problem("value", "these are positive whole numbers, ten thousand at most", at=name)
    return list(numbers)


def _letters(body: Mapping[str, Any]) -> list[int] | None:
    """The dead letters that are named; None for all of them, which must be said in as many words."""
    seqs, every = _numbers(body, "seqs"), body.get("all", False)
    if bool(seqs) == every:
        raise Problem("required", "name the letters by seqs, or say all", at="seqs")
    return None if every else seqs


def _needed(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 256:
        raise Problem("required", "this member is needed", at=name)
    return value


def _time(body: Mapping[str, Any], name: str) -> datetime | None:
    if name not in body:
        return None
    try:
        at = datetime.fromisoformat(body[name])
    except ValueError:
        at = datetime.min
    if at.tzinfo is None:
        raise Problem("value", "this is a time with a time zone", at=name)
    return at
