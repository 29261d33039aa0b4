"""One HTTP request as the handlers see it: lean, because the read path pays for every attribute."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from penstock.api.form import PLAIN, Form
from penstock.api.reply import Receive, Reply
from penstock.auth.access import Access
from penstock.clock import Clock
from penstock.errors import Problem

if TYPE_CHECKING:
    from penstock.api.fhir.later import Later

Scope = MutableMapping[str, Any]

#: Headers of which a request may carry one: two of them would let two readers of the request see different ones.
_SINGLE = (b"authorization", b"content-length", b"content-type", b"host", b"if-match", b"if-none-match")
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


class Request:
    """What was asked. ``params`` come from the path; ``access``, and when it ``expires`` (seconds since 1970), from the door.

    ``dispatch`` answers a request inside this one, with other Parts where some are given; ``later`` takes work that is answered later.
    ``form`` is what the answer looks like, ``unacceptable`` why it cannot look as it was asked to. ``door`` is what takes something in
    (see ``passage``), "" otherwise; by ``clock`` it ``started``, was ``admitted`` and ``handed`` to the store (0: it was not).
    """

    __slots__ = (
        "_body",
        "_receive",
        "access",
        "admitted",
        "base",
        "clock",
        "dispatch",
        "door",
        "expires",
        "form",
        "handed",
        "headers",
        "later",
        "limit",
        "method",
        "now",
        "params",
        "path",
        "query",
        "started",
        "trace_id",
        "unacceptable",
    )

    def __init__(self, method: str, path: str, query: str, headers: dict[bytes, bytes], receive: Receive | None, *, limit: int) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.limit = limit
        self.params: Mapping[str, str] = {}
        self.access: Access
        self.expires: int
        self.base: str
        self.now: datetime
        self.trace_id: str
        self.clock: Clock
        self.started = self.admitted = self.handed = 0.0
        self.door = ""
        self.dispatch: Callable[[Request, Any], Awaitable[Reply]]
        self.later: Later
        self.form: Form = PLAIN
        self.unacceptable: Problem | None = None
        self._receive = receive
        self._body: bytes | None = None

    @classmethod
    def of(cls, scope: Scope, receive: Receive, *, limit: int) -> Request:
        """The request of an ASGI scope."""
        return cls(
            scope["method"], scope["path"], scope["query_string"].decode("latin-1"), _headers(scope["headers"]), receive, limit=limit
        )

    def inner(self, method: str, target: str, headers: dict[bytes, bytes], body: bytes) -> Request:
        """A request inside this one (an entry of a batch): same caller, same trace, its own target under our base."""
        path, _, query = target.partition("?")
        request = Request(method, unquote(path), query, headers, None, limit=self.limit)
        request._body = body
        for name in ("access", "expires", "base", "now", "trace_id", "clock", "started", "dispatch", "later"):
            setattr(request, name, getattr(self, name))
        return request

    def header(self, name: bytes) -> str | None:
        """A header by its lower-case name."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    def arguments(self) -> list[tuple[str, str]]:
        """The query, decoded, in its order."""
        return decode_form(self.query)

    async def body(self) -> bytes:
        """The whole body; more than the limit is ``too-long``, counted while it arrives and not as it was declared."""
        if self._body is None:
            self._body = await self._read()
        return self._body

    async def _read(self) -> bytes:
        assert self._receive is not None
        declared = self.headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self.limit:
            raise _too_long()
        if self.headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Problem("media-type", "a body is sent as it is, without a content encoding")
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Problem("timeout", "the request ended before its body was complete")
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > self.limit:
                raise _too_long()
            if not message.get("more_body", False):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def decode_form(text: str) -> list[tuple[str, str]]:
    """Names and values of a query or a form, decoded; what is not UTF-8 or holds a NUL is ``invalid``."""
    if not text:
        return []
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=1000)
    except ValueError:
        raise Problem("invalid", "the query is not UTF-8, or has more than 1000 parameters", at="http.query") from None
    if "\0" in text or "%00" in text:
        raise Problem("invalid", "a parameter contains the character U+0000", at="http.query")
    return pairs


def base_of(scope: Scope, headers: Mapping[bytes, bytes], configured: str | None) -> str:
    """The URL under which the client sees us: the configured one, else the one that it used."""
    if configured is not None:
        return configured.rstrip("/")
    host = headers.get(b"host", b"").decode("latin-1")
    if not _HOST.fullmatch(host):
        raise Problem("invalid", "the Host header is missing or not a host", at="http.host")
    return f"{scope['scheme']}://{host}"


def trace_of(headers: Mapping[bytes, bytes]) -> str:
    """The trace that this request belongs to (https://www.w3.org/TR/trace-context/#traceparent-header), a new one if it names none."""
    given = headers.get(b"traceparent")
    if given is not None:
        found = _TRACEPARENT.fullmatch(given.decode("latin-1"))
        if found and given[:2] != b"ff" and found[1].strip("0") and found[2].strip("0"):
            return found[1]
    return secrets.token_hex(16)


def _headers(pairs: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    headers = dict(pairs)
    if len(headers) == len(pairs):
        return headers
    headers = {}
    for name, value in pairs:
        if name in headers and name in _SINGLE:
            raise Problem("invalid", "a header that may be sent once was sent twice", at="http." + name.decode("latin-1"))
        headers[name] = headers[name] + b", " + value if name in headers else value
    return headers


def _too_long() -> Problem:
    return Problem("too-long", "the body is longer than this server accepts")
