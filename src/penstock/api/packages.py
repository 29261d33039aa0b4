"""``/admin/v1/packages``: implementation-guide packages, listed, loaded and unloaded."""

from __future__ import annotations

from penstock.api.parts import Packages, Parts
from penstock.api.reply import Reply, json_reply
from penstock.api.request import Request
from penstock.errors import Problem

#: What a package may be sent as.
_MEDIA = frozenset({"application/gzip", "application/x-gzip", "application/tar+gzip", "application/octet-stream"})


async def listed(parts: Parts, request: Request) -> Reply:
    """``GET /admin/v1/packages``: what is loaded, and the state of what it depends on."""
    _flags(request)
    return json_reply(await _packages(parts).list())


async def shown(parts: Parts, request: Request) -> Reply:
    """``GET /admin/v1/packages/{name}/{version}``: a package, its definitions, and who uses it."""
    _flags(request)
    packages, name, version = _packages(parts), request.params["name"], request.params["version"]
    return json_reply({**await packages.show(name, version), **await packages.in_use(name, version)})


async def added(parts: Parts, request: Request) -> Reply:
    """``POST /admin/v1/packages`` with the bytes of a ``.tgz``. ``preview=true`` only says what it would change."""
    preview = "preview" in _flags(request, "preview")
    if (request.header(b"content-type") or "").partition(";")[0].strip().lower() not in _MEDIA:
        raise Problem("media-type", "a package is sent as application/gzip")
    report = await _packages(parts).add(request.access, await request.body(), request.now, preview=preview)
    return json_reply(report, 200 if preview or report["already"] else 201)


async def removed(parts: Parts, request: Request) -> Reply:
    """``DELETE /admin/v1/packages/{name}/{version}``: refused while it is in use, unless ``force=true``."""
    force = "force" in _flags(request, "force")
    return json_reply(await _packages(parts).remove(request.params["name"], request.params["version"], force=force))


def _packages(parts: Parts) -> Packages:
    if parts.packages is None:
        raise Problem("not-supported", "this program was built without packages")
    return parts.packages


def _flags(request: Request, *known: str) -> set[str]:
    """The flags that are true."""
    given = dict(request.arguments())
    if not set(known).issuperset(given) or not {"true", "false"}.issuperset(given.values()):
        raise Problem("not-supported", "this parameter is not known here, or is not true or false", at="http.query")
    return {name for name, value in given.items() if value == "true"}
