"""search, by GET and by POST (http://hl7.org/fhir/R4/http.html#search): of a type, of everything, of a compartment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from penstock.api.fhir.searchset import searchset
from penstock.api.fhir.subject import fhir_reply, id_of, type_of
from penstock.api.negotiate import preference, require_form
from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request, decode_form
from penstock.db import Tx
from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.store import Page

Pairs = Sequence[tuple[str, str]]
Ask = Callable[[Tx, bool], Awaitable[Page]]


async def search(parts: Parts, request: Request) -> Reply:
    """``GET /fhir/{type}?…``"""
    return await _of_type(parts, request, request.arguments())


async def search_by_form(parts: Parts, request: Request) -> Reply:
    """``POST /fhir/{type}/_search``: the parameters in the body, those of the URL as well; values stay out of logs of proxies."""
    return await _of_type(parts, request, await _form(request))


async def search_all(parts: Parts, request: Request) -> Reply:
    """``GET /fhir?_type=…``: resources of several types."""
    return await _of_all(parts, request, request.arguments())


async def search_all_by_form(parts: Parts, request: Request) -> Reply:
    """``POST /fhir/_search``: the same, with the parameters in the body."""
    return await _of_all(parts, request, await _form(request))


async def search_compartment(parts: Parts, request: Request) -> Reply:
    """``GET /fhir/{type}/{id}/{member}?…``: what belongs to a resource, of one type or, with ``*``, of all."""
    return await _of_compartment(parts, request, request.arguments())


async def search_compartment_by_form(parts: Parts, request: Request) -> Reply:
    """``POST /fhir/{type}/{id}/{member}/_search``: the same, with the parameters in the body."""
    return await _of_compartment(parts, request, await _form(request))


async def _form(request: Request) -> Pairs:
    require_form(request)
    try:
        form = (await request.body()).decode("ascii")
    except UnicodeDecodeError:
        raise Problem("invalid", "a form is percent-encoded") from None
    return request.arguments() + decode_form(form)


async def _of_type(parts: Parts, request: Request, given: Pairs) -> Reply:
    type_ = type_of(request)

    async def ask(tx: Tx, lenient: bool) -> Page:
        return await parts.store.search(tx, request.access, type_, given, lenient=lenient)

    return await _answer(parts, request, f"/{type_}", ask)


async def _of_all(parts: Parts, request: Request, given: Pairs) -> Reply:
    async def ask(tx: Tx, lenient: bool) -> Page:
        return await parts.store.search_all(tx, request.access, given, lenient=lenient)

    return await _answer(parts, request, "", ask)


async def _of_compartment(parts: Parts, request: Request, given: Pairs) -> Reply:
    type_, id_, member = type_of(request), id_of(request), request.params["member"]
    if member != "*" and member not in r4().resource_types:
        raise Problem("not-found", "FHIR R4 has no such resource type")

    async def ask(tx: Tx, lenient: bool) -> Page:
        if member == "*":
            return await parts.store.search_all(tx, request.access, given, lenient=lenient, within=(type_, id_))
        return await parts.store.search(tx, request.access, member, given, lenient=lenient, within=(type_, id_))

    return await _answer(parts, request, f"/{type_}/{id_}/{member}", ask)


async def _answer(parts: Parts, request: Request, path: str, ask: Ask) -> Reply:
    lenient = preference(request.header(b"prefer")).handling == "lenient"
    async with parts.database.connection() as tx:
        page = await ask(tx, lenient)
    return fhir_reply(200, searchset(request.base, path, page))
