"""Binary: its content goes in and out as it is (http://hl7.org/fhir/R4/binary.html#rest).

Pure. A Binary is the resource only for those who ask for FHIR by its own media types; everybody else gets the content, in its type.
What is sent to it is its content too, unless it is a Binary itself.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from penstock.api.form import PLAIN, Form, Range, form_of, ranges
from penstock.api.reply import Reply
from penstock.errors import Problem

Resource = dict[str, Any]

_PATH = re.compile(r"/fhir/Binary/[A-Za-z0-9\-.]+(?:/_history/[^/]+)?/?")
_MEDIA = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}(?:\s*;\s*[A-Za-z0-9-]+=(?:[A-Za-z0-9_.+-]+|\"[^\"\r\n]*\"))*")
_REFERENCE = re.compile(r"(?:https?://\S+/)?[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?")
_EXPLICIT = ("application/fhir+json", "application/fhir+xml")
#: What a browser would run or render as a page is only offered for download.
_ACTIVE = re.compile(r"text/html|[\w.+-]+/(?:[\w.-]+\+)?xml", re.IGNORECASE)


def reads(method: str, path: str) -> bool:
    """Whether a request reads one Binary, or a version of it."""
    return method in ("GET", "HEAD") and path.startswith("/fhir/Binary/") and _PATH.fullmatch(path) is not None


def form_of_read(accept: str | None, pairs: Sequence[tuple[str, str]]) -> Form:
    """The form of a Binary that is read: FHIR when that is asked for by name, else whatever content ``accept`` allows."""
    wanted = ranges(accept or "*/*")
    best = max((each.quality for each in wanted), default=0)
    by_name = any(each.name in _EXPLICIT and each.quality == best for each in wanted)
    if by_name or any(name == "_format" for name, _ in pairs):
        return form_of(accept, pairs, None)
    return PLAIN._replace(accept=accept or "*/*")


def native(resource: Resource, accept: str, reply: Reply) -> Reply | None:
    """The content of a Binary as the answer that it is; None where ``accept`` allows no such content."""
    media = str(resource.get("contentType", ""))
    media = media if _MEDIA.fullmatch(media) else "application/octet-stream"
    if not _matches(media, ranges(accept)):
        return None
    headers = list(reply.headers)
    context = resource.get("securityContext", {}).get("reference", "")
    if _REFERENCE.fullmatch(context):
        headers.append((b"x-security-context", context.encode()))
    if _ACTIVE.match(media):
        headers.append((b"content-disposition", b"attachment"))
    return Reply(reply.status, _content(resource), media.encode(), tuple(headers))


def _matches(media: str, wanted: Sequence[Range]) -> bool:
    name = media.partition(";")[0].strip().lower()
    return any(each.quality > 0 and each.name in (name, "*/*", "*", name.partition("/")[0] + "/*") for each in wanted)


def _content(resource: Resource) -> bytes:
    try:
        return binascii.a2b_base64(resource.get("data", ""))
    except (binascii.Error, ValueError):
        raise Problem("not-acceptable", "the content of this Binary is not base64: it can be had as a resource only") from None


def of_content(data: bytes, media: str, context: str | None, id: str | None) -> Resource:
    """The Binary of a content that was sent as it is, with the X-Security-Context that was sent with it."""
    if not _MEDIA.fullmatch(media):
        raise Problem("media-type", "the content of a Binary has a media type", at="http.content-type")
    resource: Resource = {"resourceType": "Binary"}
    if id is not None:
        resource["id"] = id
    resource["contentType"] = media
    if context is not None:
        if not _REFERENCE.fullmatch(context):
            raise Problem("value", "X-Security-Context is a reference to a resource", at="http.x-security-context")
        resource["securityContext"] = {"reference": context}
    if data:
        resource["data"] = b64encode(data).decode()
    return resource
