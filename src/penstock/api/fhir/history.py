"""history of an instance, a type, or everything (http://hl7.org/fhir/R4/http.html#history)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlencode

from penstock.api.feed import number
from penstock.api.fhir.bundles import bundle, history_entry
from penstock.api.fhir.subject import fhir_reply, id_of, pretty_wanted, type_of
from penstock.api.negotiate import want_fhir
from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.errors import Problem

_MOST = 1000
#: Later than every version, and still a time that the store can compare with.
_NEVER = datetime(2200, 1, 1, tzinfo=UTC)
_FORM = ("_format", "_pretty")


class _Asked(NamedTuple):
    limit: int = 50
    since: datetime | None = None
    before: int | None = None


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
    want_fhir(request)
    asked = _read(request)
    async with parts.database.transaction(readonly=True) as tx:
        page = await parts.store.history(tx, request.access, type_, id_, since=asked.since, count=asked.limit, before=asked.before)
    if id_ is not None and not page.entries and asked.since is None and asked.before is None:
        raise Problem("not-found", "there is no such resource")
    links = [("self", _link(request, asked.before))]
    if page.before is not None:
        links.append(("next", _link(request, page.before)))
    body = bundle("history", (history_entry(request.base, stored) for stored in page.entries), links=links)
    return fhir_reply(200, body, pretty=pretty_wanted(request))


def _read(request: Request) -> _Asked:
    asked = _Asked()
    for name, value in request.arguments():
        if name == "_count":
            asked = asked._replace(limit=min(number(value, 1, 10**9 - 1, at="http._count"), _MOST))
        elif name == "_since":
            asked = asked._replace(since=_instant(value))
        elif name == "_page":
            asked = asked._replace(before=_cursor(value))
        elif name not in _FORM:
            raise Problem("not-supported", "a history knows the parameters _count and _since", at="http.query")
    return asked


def _instant(text: str) -> datetime:
    # A plus sign that was not escaped arrives as a space.
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        at = datetime.min
    if at.tzinfo is None:
        raise Problem("value", "this is an instant with a time zone", at="http._since")
    return min(at, _NEVER)


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
