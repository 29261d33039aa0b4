"""Which form is wanted, which was sent, and the answer in that form (http://hl7.org/fhir/R4/http.html#mime-type).

Handlers know resources, and answer in FHIR JSON. What a client sends as XML becomes a resource in ``fhir.accept``; what it wants as XML,
pretty, in part or as the content of a Binary is made of their answer here, and nowhere else.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import msgspec

from penstock.api.fhir import binary
from penstock.api.form import FORMATS, PLAIN, VERSIONS, Form, chosen, form_of, ranges
from penstock.api.reply import FHIR_JSON, Reply
from penstock.api.request import Request, decode_form
from penstock.errors import Problem
from penstock.formats.fhir import json, summary, versions, xml

_SIMPLE = (None, b"*/*", b"application/fhir+json", b"application/json")
_FORM_TYPE = "application/x-www-form-urlencoded"
_ABOUT_FORM = re.compile("_(?:format|pretty|summary|elements)|%5[Ff]")
#: What is posted and changes nothing.
_READS = ("/_search", "/$convert")
_RETURNS = ("minimal", "representation", "OperationOutcome")


class Preference(NamedTuple):
    """What the client prefers (http.html#ops and #lenient): what comes back after a write, and what is done about unknown parameters."""

    returns: str | None = None
    handling: str = "strict"
    later: bool = False


def guess(request: Request) -> None:
    """Set the form of the answer from the URL and the headers, so that refusals have it too; where there is none, that is said later."""
    if _plain(request):
        return
    try:
        request.form = _form(request, request.arguments())
    except Problem as problem:
        request.unacceptable = problem


async def settle(request: Request) -> None:
    """Refuse a request for a form that there is not, before anything is done: ``not-acceptable``.

    The parameters of a search that is posted are in its body, the ones about its form too (search.html#Introduction).
    """
    if request.unacceptable is not None:
        raise request.unacceptable
    if request.method == "POST" and request.path.endswith("/_search") and _is_form(request):
        request.form = _form(request, request.arguments() + decode_form((await request.body()).decode("latin-1")))


def _plain(request: Request) -> bool:
    """Whether it is clear at a glance that whole resources in JSON are wanted."""
    headers = request.headers
    if headers.get(b"accept") not in _SIMPLE or b"xml" in headers.get(b"content-type", b"").lower():
        return False
    return not (_ABOUT_FORM.search(request.query) or request.path.startswith("/fhir/Binary/"))


def _form(request: Request, pairs: list[tuple[str, str]]) -> Form:
    accept = request.header(b"accept")
    if binary.reads(request.method, request.path):
        return binary.form_of_read(accept, pairs)
    reads = request.method in ("GET", "HEAD") or request.path.endswith(_READS)
    return form_of(accept, pairs, FORMATS.get(_media(request.header(b"content-type") or "")), reads=reads)


def cut(request: Request, reply: Reply) -> Reply:
    """The part of an answer that ``_summary`` or ``_elements`` ask for; refusals are told whole."""
    if request.form.cut is None or reply.media != FHIR_JSON or not reply.body or reply.status >= 300:
        return reply
    left = summary.subset_of_reply(json.decode_own(reply.body), request.form.cut)
    return reply._replace(body=json.encode(left))


def present(form: Form, reply: Reply) -> Reply:
    """An answer in FHIR JSON, in the form that is wanted. Others (such as plain JSON) stay as they are."""
    if form is PLAIN or reply.media != FHIR_JSON or not reply.body:
        return reply
    if form.accept is not None and reply.status == 200:
        content = binary.native(json.decode_own(reply.body), form.accept, reply)
        if content is not None:
            return content
        format, version = chosen(form.accept, "json")
        form = form._replace(format=format, version=version)
    if form.other is not None:
        reply = reply._replace(body=json.encode(versions.translate(json.decode_own(reply.body), form.other)))
    if form.format == "xml":
        body = xml.encode(json.decode_own(reply.body), pretty=form.pretty)
    else:
        body = msgspec.json.format(reply.body, indent=2) if form.pretty else reply.body
    return reply._replace(body=body, media=form.media)


def want(request: Request, *served: str) -> str:
    """The first of ``served`` that the Accept header allows, else ``not-acceptable``."""
    accept = request.header(b"accept")
    if accept is None:
        return served[0]
    wanted = [each.name for each in ranges(accept) if each.quality]
    for kind in served:
        if any(name in (kind, "*/*", kind.partition("/")[0] + "/*") for name in wanted):
            return kind
    raise Problem("not-acceptable", "this is not served in a form of the Accept header", at="http.accept")


def require_fhir(request: Request) -> str:
    """The format of a body that says it is FHIR R4; any other is ``media-type``."""
    format = FORMATS.get(content_type(request.header(b"content-type") or ""))
    if format is None:
        raise Problem("media-type", "a resource is sent as application/fhir+json or application/fhir+xml", at="http.content-type")
    return format


def require_form(request: Request) -> None:
    """Refuse a body that does not say that it is a form."""
    if content_type(request.header(b"content-type") or "") != _FORM_TYPE:
        raise Problem("media-type", "this is sent as application/x-www-form-urlencoded", at="http.content-type")


@lru_cache(maxsize=256)
def preference(header: str | None) -> Preference:
    """The preferences that we know; others are ignored, as RFC 7240 says."""
    found: dict[str, str] = {}
    for word in (header or "").replace(";", ",").split(","):
        name, _, value = word.strip().partition("=")
        value = value.strip('"')
        if name == "return" and value in _RETURNS:
            found["returns"] = value
        elif name == "handling" and value in ("strict", "lenient"):
            found["handling"] = value
        elif name == "respond-async":
            found["later"] = value
    return Preference(found.get("returns"), found.get("handling", "strict"), "later" in found)


@lru_cache(maxsize=256)
def content_type(header: str) -> str:
    """The media type of a body; Problem where it is in another charset, or in another version of FHIR."""
    name, *parameters = (word.strip().lower() for word in header.split(";"))
    values = {key.strip(): value.strip().strip('"') for key, _, value in (word.partition("=") for word in parameters)}
    if values.get("charset", "utf-8") not in ("utf-8", "utf8", "us-ascii"):
        raise Problem("media-type", "a body is sent in UTF-8", at="http.content-type")
    if values.get("fhirversion", "4.0") not in VERSIONS:
        raise Problem("media-type", "resources are sent in FHIR 4.0", at="http.content-type")
    return name


def _media(header: str) -> str:
    return header.partition(";")[0].strip().lower()


def _is_form(request: Request) -> bool:
    return _media(request.header(b"content-type") or "") == _FORM_TYPE
