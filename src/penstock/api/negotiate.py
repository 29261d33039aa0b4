"""Which form is wanted and which was sent (http://hl7.org/fhir/R4/http.html#mime-type). JSON of FHIR 4.0 is what there is."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from penstock.api.request import Request
from penstock.errors import Problem

_JSON = ("application/fhir+json", "application/json", "text/json")
_ANY = ("*/*", "application/*")
_FORMATS = ("json", *_JSON)
_RETURNS = ("minimal", "representation", "OperationOutcome")


class Preference(NamedTuple):
    """What the client prefers (http.html#ops and #lenient): what comes back after a write, and what is done about unknown parameters."""

    returns: str | None = None
    handling: str = "strict"


def want_fhir(request: Request) -> None:
    """Refuse a request whose answer would have to be anything else than FHIR R4 JSON (``not-acceptable``)."""
    if "_format" in request.query:
        for name, value in request.arguments():
            if name == "_format":
                _acceptable(value.replace(" ", "+").replace(";+", ";")) if value.partition(";")[0] not in _FORMATS else None
                return
    accept = request.headers.get(b"accept")
    if accept is not None and accept != b"*/*":
        _acceptable(accept.decode("latin-1"))


def want(request: Request, *served: str) -> str:
    """The first of ``served`` that the Accept header allows, else ``not-acceptable``."""
    accept = request.header(b"accept")
    if accept is None:
        return served[0]
    ranges = _ranges(accept)
    for kind in served:
        if any(name in (kind, "*/*", kind.partition("/")[0] + "/*") for name, _ in ranges):
            return kind
    raise Problem("not-acceptable", "this is not served in a form of the Accept header", at="http.accept")


def require_fhir(request: Request) -> None:
    """Refuse a body that does not say that it is FHIR R4 JSON (``media-type``)."""
    kind = _content_type(request.header(b"content-type") or "")
    if kind not in _JSON:
        raise Problem("media-type", "a resource is sent as application/fhir+json", at="http.content-type")


def require_form(request: Request) -> None:
    """Refuse a body that does not say that it is a form."""
    if _content_type(request.header(b"content-type") or "") != "application/x-www-form-urlencoded":
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
    return Preference(found.get("returns"), found.get("handling", "strict"))


@lru_cache(maxsize=256)
def _acceptable(accept: str) -> None:
    for name, version in _ranges(accept):
        if name in (*_JSON, *_ANY) and version in ("", "4.0", "4.0.1"):
            return
    raise Problem("not-acceptable", "this server answers in application/fhir+json of FHIR 4.0", at="http.accept")


def _ranges(accept: str) -> list[tuple[str, str]]:
    """(media range, fhirVersion) of an Accept header, without those of quality 0."""
    ranges = []
    for part in accept.split(","):
        name, *parameters = (word.strip().lower() for word in part.split(";"))
        values = dict(word.partition("=")[::2] for word in parameters)
        if values.get("q", "1").rstrip("0").rstrip(".") != "":
            ranges.append((name, values.get("fhirversion", "").strip('"')))
    return ranges


@lru_cache(maxsize=256)
def _content_type(header: str) -> str:
    name, *parameters = (word.strip().lower() for word in header.split(";"))
    values = dict(word.partition("=")[::2] for word in parameters)
    if values.get("charset", "utf-8").strip('"') not in ("utf-8", "utf8", "us-ascii"):
        raise Problem("media-type", "a body is sent in UTF-8", at="http.content-type")
    if values.get("fhirversion", "4.0").strip('"') not in ("4.0", "4.0.1"):
        raise Problem("media-type", "this server speaks FHIR 4.0", at="http.content-type")
    return name
