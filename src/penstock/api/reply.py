"""What is answered, and the headers that every answer carries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, MutableMapping
from typing import Any, NamedTuple

import orjson

from penstock.errors import Problem

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Header = tuple[bytes, bytes]

FHIR_JSON = b"application/fhir+json; charset=utf-8"
JSON = b"application/json"
#: Nothing of ours may be cached, framed, sniffed or run: these go with every answer.
SECURITY: tuple[Header, ...] = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
_HSTS: Header = (b"strict-transport-security", b"max-age=31536000")
_BODILESS = (204, 304)


class Reply(NamedTuple):
    """A complete answer. ``media`` is the Content-Type, sent only where there is a body; ``problem`` what the answer tells, if it does."""

    status: int
    body: bytes = b""
    media: bytes = FHIR_JSON
    headers: tuple[Header, ...] = ()
    problem: Problem | None = None

    def header(self, name: bytes) -> bytes | None:
        """A header of this answer by its lower-case name."""
        return next((value for key, value in self.headers if key == name), None)


class Stream(NamedTuple):
    """An answer without an end, such as server-sent events; we end it after ``lifetime_s``, when the token does."""

    chunks: AsyncIterator[bytes]
    media: bytes
    lifetime_s: float
    status: int = 200


def json_reply(value: object, status: int = 200, headers: tuple[Header, ...] = ()) -> Reply:
    """An answer in plain JSON (not FHIR)."""
    return Reply(status, orjson.dumps(value, option=orjson.OPT_UTC_Z), JSON, headers)


async def send_reply(send: Send, reply: Reply, *, trace_id: str, head: bool, secure: bool, correlation: bytes | None = None) -> None:
    """Put an answer on the wire; ``head`` leaves the body out but says how long it would be (RFC 9110, section 9.3.2)."""
    headers = [*SECURITY, *reply.headers, *_common(trace_id, secure, correlation)]
    if reply.status not in _BODILESS:
        headers.append((b"content-length", b"%d" % len(reply.body)))
        if reply.body:
            headers.append((b"content-type", reply.media))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head or reply.status in _BODILESS else reply.body})


async def send_stream(send: Send, receive: Receive, stream: Stream, closing: asyncio.Event, *, trace_id: str, secure: bool) -> None:
    """Send chunks as they come, until there are no more, the client is gone, the time is over, or we stop."""
    headers = [*SECURITY, *_common(trace_id, secure, None), (b"content-type", stream.media), (b"x-accel-buffering", b"no")]
    await send({"type": "http.response.start", "status": stream.status, "headers": headers})
    waits: tuple[Coroutine[Any, Any, Any], ...] = (_pump(send, stream.chunks), _gone(receive), closing.wait())
    tasks = {asyncio.create_task(each) for each in waits}
    try:
        await asyncio.wait(tasks, timeout=stream.lifetime_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await send({"type": "http.response.body", "body": b""})


async def _pump(send: Send, chunks: AsyncIterator[bytes]) -> None:
    async for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _common(trace_id: str, secure: bool, correlation: bytes | None) -> list[Header]:
    trace = trace_id.encode()
    headers: list[Header] = [(b"x-trace-id", trace), (b"x-request-id", trace)]
    if correlation is not None:
        headers.append((b"x-correlation-id", correlation))
    if secure:
        headers.append(_HSTS)
    return headers
