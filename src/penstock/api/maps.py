"""``/admin/v1/maps``: the releases of a site's maps, listed, applied and rolled back."""

from __future__ import annotations

from penstock.api.admin import members
from penstock.api.feed import number
from penstock.api.parts import Maps, Parts
from penstock.api.reply import Reply, json_reply
from penstock.api.request import Request
from penstock.errors import Problem

_MOST_BYTES = 2**25


async def in_force(parts: Parts, request: Request) -> Reply:
    """``GET /admin/v1/maps``: the release in force, and the version of each interface's maps."""
    return json_reply(await _maps(parts).in_force())


async def listed(parts: Parts, request: Request) -> Reply:
    """``GET /admin/v1/maps/releases?limit=``: what came into force, by whom and why, newest first."""
    limit = number(dict(request.arguments()).get("limit", "100"), 1, 1000, at="http.limit")
    return json_reply(await _maps(parts).listed(limit))


async def shown(parts: Parts, request: Request) -> Reply:
    """``GET /admin/v1/maps/releases/{version}``: the files of a release."""
    return json_reply(await _maps(parts).files(request.params["version"]))


async def applied(parts: Parts, request: Request) -> Reply:
    """``POST /admin/v1/maps/releases`` with ``files`` (text by path) and ``reason``. ``preview`` only says what they would change."""
    body = await members(request, _MOST_BYTES, files=dict, reason=str, preview=bool)
    files = body.get("files")
    if files is None or not all(isinstance(text, str) for text in files.values()):
        raise Problem("required", "give the files of the release as text by path", at="files")
    preview = body.get("preview", False)
    return json_reply(await _maps(parts).apply(request.access, files, body.get("reason", ""), preview=preview))


async def rolled_back(parts: Parts, request: Request) -> Reply:
    """``POST /admin/v1/maps/rollback`` with ``version`` (the one before, where it is not given) and ``reason``."""
    body = await members(request, version=str, reason=str)
    return json_reply(await _maps(parts).rollback(request.access, body.get("version"), body.get("reason", "")))


def _maps(parts: Parts) -> Maps:
    if parts.maps is None:
        raise Problem("not-supported", "this program was built without maps")
    return parts.maps
