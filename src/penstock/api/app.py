"""The ASGI application: find the route, pass the door, call the handler, tell what happened, count it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, MutableMapping
from typing import Any

from penstock import log
from penstock.api import metrics
from penstock.api.door import Door
from penstock.api.fhir.later import Later
from penstock.api.form import PLAIN, Form
from penstock.api.negotiate import cut, guess, present, settle
from penstock.api.parts import Parts
from penstock.api.passage import door_of, refused
from penstock.api.problems import render
from penstock.api.reply import Header, Receive, Reply, Send, Stream, send_reply, send_stream
from penstock.api.request import Request, Scope, base_of, trace_of
from penstock.api.router import Found, Route, Router
from penstock.api.routes import ROUTES
from penstock.auth.tokens import realm
from penstock.errors import Problem, explain

_NOWHERE = "(unknown)"
_SLOW_S = 1.0
_CORRELATION_MAX = 64


def build(parts: Parts, routes: Iterable[Route] = ROUTES) -> App:
    """The application over ``parts``. A route without a policy stops it from being built (DESIGN, invariant 7)."""
    return App(parts, Router(routes))


class App:
    """What ``build`` makes; run it under uvicorn with ``server_header=False`` and without access logs."""

    def __init__(self, parts: Parts, router: Router) -> None:
        self._parts = parts
        self._router = router
        self._door = Door(parts.keys, realm(parts.settings.base_url))
        self._log = log.get("api")
        self._closing = asyncio.Event()
        self._later = Later(self._refuse_later)

    def close(self) -> None:
        """End the streams and what is answered later, so that the server that runs this can stop at once."""
        self._closing.set()
        self._later.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        parts = self._parts
        started = parts.clock.monotonic()
        trace_id, route, correlation, form = "", None, None, PLAIN
        fhir = scope["path"].startswith("/fhir")
        reply: Reply | Stream
        try:
            request = Request.of(scope, receive, limit=parts.settings.http_max_bytes)
            request.trace_id = trace_id = trace_of(request.headers)
            request.clock = parts.clock
            request.base = base_of(scope, request.headers, parts.settings.base_url)
            request.now, request.started = parts.clock.now(), parts.clock.monotonic()
            request.dispatch = self.dispatch
            request.later = self._later
            correlation = _correlation(request)
            if len(scope["path"]) + len(scope["query_string"]) > parts.settings.http_max_url:
                raise Problem("url-too-long", "the URL is longer than this server accepts")
            if fhir:
                guess(request)
                form = request.form
            found, route = self._find(request)
            reply = await self._through(request, found, parts)
            form = request.form
        except Exception as error:
            reply = self._refuse(error, trace_id, fhir=fhir)
        if fhir and isinstance(reply, Reply):
            reply = self._present(form, reply, trace_id)
        if isinstance(reply, Stream) and scope["method"] == "HEAD":
            reply = Reply(reply.status, headers=((b"content-type", reply.media),))
        secure = (parts.settings.base_url or scope["scheme"]).startswith("https")
        trace_id = trace_id or trace_of({})
        if isinstance(reply, Stream):
            await send_stream(send, receive, reply, self._closing, trace_id=trace_id, secure=secure)
        else:
            await send_reply(send, reply, trace_id=trace_id, head=scope["method"] == "HEAD", secure=secure, correlation=correlation)
        self._observe(route, scope["method"], reply.status, parts.clock.monotonic() - started, trace_id)

    async def dispatch(self, request: Request, parts: Parts | None = None) -> Reply:
        """Answer a request inside another one, for the same caller: an entry of a batch. Never raises."""
        guess(request)
        found, _ = self._find(request)
        reply = await self._through(request, found, parts or self._parts, inside=True)
        if isinstance(reply, Stream):
            return render(Problem("not-supported", "a batch cannot hold this interaction"), fhir=True)
        return reply

    async def _through(self, request: Request, found: Found | None, parts: Parts, *, inside: bool = False) -> Reply | Stream:
        """Pass the door and answer. What came to write and wrote nothing is noted."""
        route = found.route if found else None
        request.door = door_of(route.policy if route else "", request.method, request.path, inside=inside)
        if found is not None:
            request.params = found.params
        try:
            self._admit(request, found, inside=inside)
            reply = await self._answer(request, found, parts)
            if not inside:
                await parts.settle()
        except Exception as error:
            reply = self._refuse(error, request.trace_id, fhir=request.path.startswith("/fhir"))
        if request.door and isinstance(reply, Reply) and reply.problem is not None:
            parts.note(refused(request, reply.problem))
        return reply

    def _find(self, request: Request) -> tuple[Found | None, Route | None]:
        found = self._router.find(request.method, request.path)
        return found, found.route if found else None

    def _admit(self, request: Request, found: Found | None, *, inside: bool = False) -> None:
        """Default deny: only an open route goes without a token, and what is not there is not told to strangers."""
        allows = self._router.allows[found.route] if found and found.route else None
        if found is not None and found.route is not None and allows is None:
            return
        if not inside:
            request.access, request.expires = self._door.admit(request)
        if found is not None and allows is not None and not allows(request.access, found.params):
            raise Problem("forbidden", "this token does not allow that")
        request.admitted = self._parts.clock.monotonic()

    async def _answer(self, request: Request, found: Found | None, parts: Parts) -> Reply | Stream:
        if found is None:
            raise Problem("not-found", "there is nothing at this path")
        if found.route is None:
            return _not_served(request, found)
        if found.route.fhir:
            await settle(request)
        async with asyncio.timeout(self._parts.settings.request_s):
            reply = await found.route.handler(parts, request)
        return cut(request, reply) if request.form.cut and isinstance(reply, Reply) else reply

    def _present(self, form: Form, reply: Reply, trace_id: str) -> Reply:
        """The answer in the form that was asked for; what cannot have that form is refused in JSON."""
        try:
            return present(form, reply)
        except Exception as error:
            return self._refuse(error, trace_id, fhir=True)

    def _refuse(self, error: Exception, trace_id: str, *, fhir: bool) -> Reply:
        problem = explain(error)
        if problem.code == "exception":
            self._log.error("request.failed", text=problem.text, origin=log.origin(error), trace_id=trace_id)
        return render(problem, fhir=fhir)

    def _refuse_later(self, error: Exception, request: Request) -> Reply:
        reply = self._refuse(error, request.trace_id, fhir=True)
        if reply.problem is not None:
            self._parts.note(refused(request, reply.problem))
        return reply

    def _observe(self, route: Route | None, method: str, status: int, seconds: float, trace_id: str) -> None:
        template = route.path if route else _NOWHERE
        metrics.observe(template, method, status, seconds)
        if status >= 500 or (seconds > _SLOW_S and template != "/events"):
            duration_ms = round(seconds * 1000, 1)
            self._log.info("request.done", route=template, status=status, duration_ms=duration_ms, trace_id=trace_id)


def _not_served(request: Request, found: Found) -> Reply:
    if any(value.startswith("$") for value in found.params.values()):
        raise Problem("not-found", "there is no such operation")
    allow: Header = (b"allow", ", ".join(sorted(found.methods)).encode())
    problem = Problem("method", "this method is not served at this path")
    return render(problem, fhir=request.path.startswith("/fhir"), headers=(allow,))


def _correlation(request: Request) -> bytes | None:
    """The client's own X-Request-Id, to be echoed (http://hl7.org/fhir/R4/http.html#custom), when it is short and plain."""
    given = request.headers.get(b"x-request-id")
    if given is None or len(given) > _CORRELATION_MAX or not given.replace(b"-", b"").isalnum():
        return None
    return given


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message: MutableMapping[str, Any] = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return
