"""What a FHIR path names: a resource type that R4 has, an id that can be one, a version that can be one."""

from __future__ import annotations

import re

from penstock.api.reply import FHIR_JSON, Header, Reply
from penstock.api.request import Request
from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_VERSION = re.compile(r"[1-9]\d{0,8}")

#: Parameters of every interaction that say how the answer looks, not what is in it (http.html#parameters).
FORM = ("_format", "_pretty", "_summary", "_elements")


def type_of(request: Request) -> str:
    """The resource type of the path, or ``not-found``."""
    type_ = request.params["type"]
    if type_ not in r4().resource_types:
        raise Problem("not-found", "FHIR R4 has no such resource type")
    return type_


def id_of(request: Request) -> str:
    """The id of the path; what cannot be an id names nothing (``not-found``)."""
    id_ = request.params["id"]
    if not _ID.fullmatch(id_):
        raise Problem("not-found", "this cannot be the id of a resource")
    return id_


def version_of(request: Request) -> int:
    """The version of the path; what cannot be a version of ours names nothing (``not-found``)."""
    if not _VERSION.fullmatch(request.params["version"]):
        raise Problem("not-found", "this cannot be a version of a resource")
    return int(request.params["version"])


def fhir_reply(status: int, body: bytes, headers: tuple[Header, ...] = ()) -> Reply:
    """An answer in FHIR JSON; ``negotiate`` gives it the form that was asked for."""
    return Reply(status, body, FHIR_JSON, headers)
