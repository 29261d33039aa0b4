"""``/admin/v1/codes``: codes that nobody knows yet, and what they mean."""

from __future__ import annotations

from penstock.api.admin import members
from penstock.api.feed import number
from penstock.api.parts import Mapped, Parts, Steward
from penstock.api.reply import Reply, json_reply
from penstock.api.request import Request
from penstock.errors import Problem
from penstock.formats.fhir import json

_STATES = ("open", "mapped", "ignored")
_WORDS = ("system", "code", "target_system", "target_code", "display")
_MOST_BYTES = 2**25


async def listed(parts: Parts, request: Request) -> Reply:
    """``GET /admin/v1/codes?state=&interface=&limit=``: codes and how many messages wait for each, the most first."""
    given = dict(request.arguments())
    state = given.pop("state", "open")
    interface, limit = given.pop("interface", None), number(given.pop("limit", "100"), 1, 10_000, at="http.limit")
    if state not in _STATES or given:
        raise Problem("value", "state is open, mapped or ignored; other parameters are interface and limit", at="http.query")
    return json_reply(await _steward(parts).listed(state, interface, limit))


async def mapped(parts: Parts, request: Request) -> Reply:
    """``POST /admin/v1/codes/map`` with ``system``, ``code``, ``target_system``, ``target_code``, ``display``; ``preview`` only counts."""
    body = await members(request, **dict.fromkeys(_WORDS, str), preview=bool)
    mapping = Mapped(*(body.get(word, "") for word in _WORDS))
    if not all(mapping[:4]):
        raise Problem("required", "a mapping names the system and the code on both sides", at="target_code")
    return json_reply(await _steward(parts).map(request.access, mapping, preview=body.get("preview", False)))


async def ignored(parts: Parts, request: Request) -> Reply:
    """``POST /admin/v1/codes/ignore`` with ``system``, ``code`` and ``interface``: nobody needs to map it."""
    body = await members(request, system=str, code=str, interface=str)
    return json_reply(await _steward(parts).ignore(request.access, body.get("system", ""), body.get("code", ""), body.get("interface")))


async def exported(parts: Parts, request: Request) -> Reply:
    """``GET /admin/v1/codes/maps``: a Bundle of the concept maps that conversions read."""
    return Reply(200, json.encode(await _steward(parts).exported(request.access)), b"application/fhir+json")


async def imported(parts: Parts, request: Request) -> Reply:
    """``POST /admin/v1/codes/maps`` with a ConceptMap or a Bundle of them."""
    request.limit = min(request.limit, _MOST_BYTES)
    return json_reply(await _steward(parts).imported(request.access, json.decode(await request.body())))


def _steward(parts: Parts) -> Steward:
    if parts.steward is None:
        raise Problem("not-supported", "this program was built without stewardship")
    return parts.steward
