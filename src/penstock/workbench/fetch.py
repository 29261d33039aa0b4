"""``penstock fetch``: what a partner's FHIR server answers to a search, page by page, the way that this partner turns pages."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

from penstock.delivery import Partner
from penstock.delivery.partner import FORMATS, PAGES
from penstock.errors import Problem
from penstock.formats.fhir import json, xml

Resource = dict[str, Any]
#: (URL, headers) → the body of a 200.
Get = Callable[[str, dict[str, str]], bytes]

_LARGEST = 64 * 2**20


def fetch(partner: Partner, query: str, *, most: int, get: Get | None = None) -> Iterator[Resource]:
    """The resources that match ``query`` (``Patient?family=Moss``, or ``Patient/1``), ``most`` at most.

    Problem("transient") when the partner cannot be reached, Problem("invalid") when its answer is no FHIR, Problem("forbidden") when
    a link leads to another server.
    """
    base = partner.endpoint.rstrip("/") + "/"
    url: str | None = urljoin(base, query.lstrip("/"))
    headers = {"Accept": FORMATS[partner.manners.format], "User-Agent": "penstock", **dict(partner.headers)}
    seen, first = 0, url
    while url is not None:
        if urlsplit(url)[:2] != urlsplit(base)[:2]:
            raise Problem("forbidden", "a link of the partner leads to another server")
        answer = _decoded((get or _get)(url, headers), partner.manners.format)
        if answer.get("resourceType") != "Bundle":
            yield answer
            return
        found = [one["resource"] for one in answer.get("entry", ()) if "resource" in one and one.get("search", {}).get("mode") != "outcome"]
        yield from found[: most - seen]
        seen += len(found)
        url = None if seen >= most or not found else _next(partner, answer, url, first, seen)


def _next(partner: Partner, answer: Resource, url: str, first: str | None, seen: int) -> str | None:
    """The next page: where a link leads, or after as many as were seen."""
    if partner.manners.pages == PAGES:
        link = next((one.get("url") for one in answer.get("link", ()) if one.get("relation") == "next"), None)
        return urljoin(url, link) if link else None
    return f"{first}{'&' if '?' in str(first) else '?'}{partner.manners.pages}={seen}"


def _decoded(body: bytes, format: str) -> Resource:
    resource: Resource = xml.decode(body) if format == "xml" else json.decode(body)
    return resource


class _Straight(urllib.request.HTTPRedirectHandler):
    """A redirect would carry our headers elsewhere."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _get(url: str, headers: dict[str, str]) -> bytes:
    opener = urllib.request.build_opener(_Straight)
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=60) as response:
            body: bytes = response.read(_LARGEST + 1)
    except urllib.error.HTTPError as error:
        with error:
            raise Problem("invalid", f"the partner answered with status {error.code}") from None
    except (OSError, ValueError) as error:
        raise Problem("transient", "the partner does not answer") from error
    if len(body) > _LARGEST:
        raise Problem("too-long", "the partner's answer is longer than this program reads")
    return body
