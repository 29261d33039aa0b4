"""search of a type, by GET and by POST (http://hl7.org/fhir/R4/http.html#search): a searchset put together as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from penstock.api.fhir.bundles import bundle, outcome_entry, search_entry
from penstock.api.fhir.subject import fhir_reply, pretty_wanted, type_of
from penstock.api.negotiate import preference, require_form, want_fhir
from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request, decode_form
from penstock.errors import Problem
from penstock.formats.fhir.json import encode
from penstock.formats.fhir.outcome import of_issues
from penstock.formats.fhir.validate import Issue

_IGNORED = Issue("warning", "not-supported", "a search parameter that this type does not have was ignored", "")


async def search(parts: Parts, request: Request) -> Reply:
    """``GET /fhir/{type}?…``"""
    return await _search(parts, request, request.arguments())


async def search_by_form(parts: Parts, request: Request) -> Reply:
    """``POST /fhir/{type}/_search``: the parameters in the body, those of the URL as well; values stay out of logs of proxies."""
    require_form(request)
    try:
        form = (await request.body()).decode("ascii")
    except UnicodeDecodeError:
        raise Problem("invalid", "a form is percent-encoded") from None
    return await _search(parts, request, request.arguments() + decode_form(form))


async def _search(parts: Parts, request: Request, given: Sequence[tuple[str, str]]) -> Reply:
    want_fhir(request)
    type_ = type_of(request)
    lenient = preference(request.header(b"prefer")).handling == "lenient"
    async with parts.database.transaction(readonly=True) as tx:
        page = await parts.store.search(tx, request.access, type_, given, lenient=lenient)
    entries = [search_entry(request.base, entry.stored, entry.mode) for entry in page.entries]
    if page.ignored:
        entries.append(outcome_entry(encode(of_issues([_IGNORED]))))
    links = [("self", _link(request.base, type_, page.used))]
    if page.next is not None:
        links.append(("next", _link(request.base, type_, (*page.used, ("_cursor", page.next)))))
    return fhir_reply(200, bundle("searchset", entries, total=page.total, links=links), pretty=pretty_wanted(request))


def _link(base: str, type_: str, pairs: Sequence[tuple[str, str]]) -> str:
    query = urlencode(pairs)
    return f"{base}/fhir/{type_}{'?' + query if query else ''}"
