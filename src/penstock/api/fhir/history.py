"""history of an instance, a type, or everything (http://hl7.org/fhir/R4/http.html#history)."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlencode

from penstock.api.feed import number
from penstock.api.fhir.bundles import bundle, history_entry
from penstock.api.fhir.subject import FORM, fhir_reply, id_of, type_of
from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.errors import Problem
from penstock.events import look
from penstock.formats.fhir.dates import span
from penstock.store import Window
from penstock.store.change import ALWAYS

_MOST = 1000


class _Asked(NamedTuple):
    limit: int = 50
    window: Window = ALWAYS


async def history_of_instance(parts: Parts, request: Request) -> Reply:
    """``GET /fhir/{type}/{id}/_history``: 404 where there never was such a resource."""
    return await _history(parts, request, type_of(request), id_of(request))


async def history_of_type(parts: Parts, request: Request) -> Reply:
    """``GET /fhir/{type}/_history``"""
    return await _history(parts, request, type_of(request), None)


async def history_of_all(parts: Parts, request: Request) -> Reply:
    """``GET /fhir/_history``"""
    return await _history(parts, request, None, None)


async def _history(parts: Parts, request: Request, type_: str | None, id_: str | None) -> Reply:
    asked = _read(request)
    async with parts.database.transaction(readonly=True) as tx:
        page = await parts.store.history(tx, request.access, type_, id_, window=asked.window, count=asked.limit)
        agents = await look.of_versions(tx, request.access.tenant, [(each.type, each.id, each.ver) for each in page.entries])
    if id_ is not None and not page.entries and asked.window == ALWAYS:
        raise Problem("not-found", "there is no such resource")
    links = [("self", _link(request, asked.window.before))]
    if page.before is not None:
        links.append(("next", _link(request, page.before)))
    entries = (history_entry(request.base, each, agents.get((each.type, each.id, each.ver))) for each in page.entries)
    return fhir_reply(200, bundle("history", entries, links=links))


def _read(request: Request) -> _Asked:
    """The parameters of a history (http.html#history); what is given twice counts once, the last time."""
    count, since, current, before = 50, None, None, None
    for name, value in request.arguments():
        if name == "_count":
            count = min(number(value, 1, 10**9 - 1, at="http._count"), _MOST)
        elif name == "_since":
            since = _instant(value)
        elif name == "_at":
            current = _period(value)
        elif name == "_page":
            before = _cursor(value)
        elif name not in FORM:
            raise Problem("not-supported", "a history knows the parameters _count, _since and _at", at="http.query")
    return _Asked(count, Window(since, current, before))


def _instant(text: str) -> datetime:
    # A plus sign that was not escaped arrives as a space.
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        at = datetime.min
    if at.tzinfo is None:
        raise Problem("value", "this is an instant with a time zone", at="http._since")
    return at


def _period(text: str) -> tuple[datetime, datetime]:
    try:
        return span(text.replace(" ", "+"))
    except Problem:
        raise Problem("value", "this is a date or a time", at="http._at") from None


def _cursor(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and 0 < int(text) < 2**63):
        raise Problem("value", "this page link is not one of ours", at="http._page")
    return int(text)


def _link(request: Request, before: int | None) -> str:
    kept = [(name, value) for name, value in request.arguments() if name != "_page"]
    if before is not None:
        kept.append(("_page", str(before)))
    query = urlencode(kept)
    return f"{request.base}{request.path}{'?' + query if query else ''}"
