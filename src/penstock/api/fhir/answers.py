"""An entry of a Bundle as a request of its own, and the answer to it as an entry of the response."""

from __future__ import annotations

import base64
import string
from email.utils import parsedate_to_datetime
from functools import lru_cache
from urllib.parse import quote

import orjson

from penstock.api.fhir.entries import Entry
from penstock.api.negotiate import preference
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.formats.fhir import json

_HEADERS = {
    "ifMatch": b"if-match",
    "ifNoneExist": b"if-none-exist",
    "ifNoneMatch": b"if-none-match",
    "ifModifiedSince": b"if-modified-since",
}
_RESPONSE = ((b"location", "location"), (b"etag", "etag"), (b"last-modified", "lastModified"))


#: How the bodies begin that say what came of a request.
_OUTCOME = b'{"resourceType":"OperationOutcome"'


def inner(request: Request, entry: Entry) -> Request:
    """The request that an entry is, for the same caller."""
    headers = {_HEADERS[name]: quote(value, safe=string.printable).encode() for name, value in entry.conditions.items()}
    headers[b"content-type"], body = _body(entry)
    preferred = preference(request.header(b"prefer"))
    headers[b"prefer"] = f"return={preferred.returns or 'minimal'}, handling={preferred.handling}".encode()
    return request.inner(entry.method, "/fhir/" + entry.target, headers, body)


def _body(entry: Entry) -> tuple[bytes, bytes]:
    """(Content-Type, body): a patch that stands in a Binary is sent as what it is."""
    if entry.resource is None:
        return b"application/fhir+json", b""
    if entry.method == "PATCH" and entry.resource.get("resourceType") == "Binary":
        return entry.resource["contentType"].encode(), base64.b64decode(entry.resource["data"])
    return b"application/fhir+json", json.encode(entry.resource)


def entry_of(reply: Reply, *, wrote: bool = False) -> bytes:
    """The entry that tells of a reply: status and version always, the resource where there is one to show.

    What is told of a failure, or of something that was ``wrote``, is the outcome of the response and not its resource.
    """
    response: dict[str, object] = {"status": str(reply.status)}
    for header, name in _RESPONSE:
        value = reply.header(header)
        if value is not None:
            response[name] = _instant(value) if name == "lastModified" else value.decode()
    told = orjson.dumps(response)
    if not reply.body:
        return b'{"response":%b}' % told
    if reply.status >= 400 or (wrote and reply.body.startswith(_OUTCOME)):
        return b'{"response":%b,"outcome":%b}}' % (told[:-1], reply.body)
    return b'{"resource":%b,"response":%b}' % (reply.body, told)


@lru_cache(maxsize=64)
def _instant(http_date: bytes) -> str:
    return parsedate_to_datetime(http_date.decode()).isoformat().replace("+00:00", "Z")
