"""``GET /events``: what changed, as CloudEvents: pages with a cursor, or server-sent events without an end."""

from __future__ import annotations

from typing import Literal, cast, get_args
from urllib.parse import urlencode

from penstock.api.negotiate import want
from penstock.api.parts import Parts
from penstock.api.reply import Reply, Stream
from penstock.api.request import Request
from penstock.errors import Problem
from penstock.events.feed import MAX_PAGE, Filter, parse_cursor
from penstock.formats.fhir.definitions import r4

_BATCH = "application/cloudevents-batch+json"
_STREAM = "text/event-stream"
_Payload = Literal["full", "id-only", "none"]
_KNOWN = ("cursor", "limit", "type", "payload")


async def events(parts: Parts, request: Request) -> Reply | Stream:
    """A page after ``cursor``, or, where the client accepts ``text/event-stream``, everything from now on (or ``Last-Event-ID``).

    A page names the cursor of the next one in ``X-Next-Cursor`` and in ``Link``; full payloads hold only what the token may read.
    """
    form = want(request, _BATCH, "application/json", _STREAM)
    given, wanted = _asked(request)
    if form == _STREAM:
        cursor = request.header(b"last-event-id") or given.get("cursor", "")
        parse_cursor(cursor)
        await parts.feed.page(request.access, cursor or "0", Filter(wanted.types, wanted.payload, 1))
        lifetime_s = request.expires - request.now.timestamp()
        return Stream(parts.feed.stream(request.access, cursor, wanted), b"text/event-stream", lifetime_s)
    page = await parts.feed.page(request.access, given.get("cursor", ""), wanted)
    following = f"{request.base}/events?{urlencode(given | {'cursor': page.next})}"
    headers = ((b"x-next-cursor", page.next.encode()), (b"link", f'<{following}>; rel="next"'.encode()))
    return Reply(200, b"[" + b",".join(page.events) + b"]", form.encode(), headers)


def _asked(request: Request) -> tuple[dict[str, str], Filter]:
    given = dict(request.arguments())
    if any(name not in _KNOWN for name in given):
        raise Problem("not-supported", "the feed knows the parameters cursor, limit, type and payload", at="http.query")
    types = tuple(name for name in given.get("type", "").split(",") if name)
    if not r4().resource_types.issuperset(types):
        raise Problem("value", "FHIR R4 has no such resource type", at="http.type")
    payload = given.get("payload", "id-only")
    if payload not in get_args(_Payload):
        raise Problem("value", "payload is full, id-only or none", at="http.payload")
    return given, Filter(types, cast(_Payload, payload), number(given.get("limit", "100"), 1, MAX_PAGE, at="http.limit"))


def number(text: str, least: int, most: int, *, at: str) -> int:
    """A whole number of a query within its bounds, else ``value``."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and least <= int(text) <= most):
        raise Problem("value", f"this is a number from {least} to {most}", at=at)
    return int(text)
