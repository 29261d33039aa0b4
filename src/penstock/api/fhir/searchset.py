"""A page of a search as a Bundle of type searchset (http://hl7.org/fhir/R4/search.html#return), put together as bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from penstock.api.fhir.bundles import bundle, outcome_entry, search_entry
from penstock.errors import Problem
from penstock.formats.fhir.json import encode
from penstock.formats.fhir.outcome import of_issues
from penstock.formats.fhir.validate import Issue
from penstock.store import Page, Stored

_IGNORED = "a search parameter that is not known here was ignored: the self link shows those that took part"


class Shape(NamedTuple):
    """How much of each resource is shown: ``_summary`` and ``_elements``."""

    summary: str = "false"
    elements: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: Sequence[tuple[str, str]]) -> Shape:
        """The shape that a query asks for; the last of each parameter counts."""
        asked = dict(given)
        if asked.get("_summary") == "text" and any(name.startswith(("_include", "_revinclude")) for name in asked):
            raise Problem("invalid", "_summary=text brings no other resources: it is not mixed with includes", at="_summary")
        names = tuple(name for name in asked.get("_elements", "").split(",") if name)
        return cls(asked.get("_summary", "false"), names)

    def shown(self, stored: Stored) -> Stored:
        """The resource as it is asked for; as it is stored, unless something is left out."""
        if self.summary in ("false", "count") and not self.elements:
            return stored
        raise Problem("not-supported", "resources are answered whole: _summary and _elements are not served here")


def searchset(base: str, path: str, page: Page, shape: Shape) -> bytes:
    """The Bundle of a page; ``path`` is what was searched, below the base."""
    entries = [search_entry(base, shape.shown(entry.stored), entry.mode) for entry in page.entries]
    notes = [_IGNORED] * len(page.ignored) + list(page.notes)
    if notes:
        entries.append(outcome_entry(encode(of_issues([Issue("warning", "not-supported", note, "") for note in notes]))))
    return bundle("searchset", entries, total=page.total, links=_links(f"{base}/fhir{path}", page))


def _links(url: str, page: Page) -> Iterator[tuple[str, str]]:
    """self, and the other pages where there are any; first is the search without a place in it."""
    cursors = {"self": None, **({"first": None} if page.links else {}), **page.links}
    for relation, cursor in cursors.items():
        yield relation, _link(url, page.used if cursor is None else (*page.used, ("_cursor", cursor)))


def _link(url: str, pairs: Sequence[tuple[str, str]]) -> str:
    query = urlencode(pairs)
    return f"{url}?{query}" if query else url
