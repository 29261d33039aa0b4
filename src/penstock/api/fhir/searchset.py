"""A page of a search as a Bundle of type searchset (http://hl7.org/fhir/R4/search.html#return), put together as bytes."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

from penstock.api.fhir.bundles import bundle, outcome_entry, search_entry
from penstock.formats.fhir.json import encode
from penstock.formats.fhir.outcome import of_issues
from penstock.formats.fhir.validate import Issue
from penstock.store import Page

_IGNORED = "a search parameter that is not known here was ignored: the self link shows those that took part"


def searchset(base: str, path: str, page: Page) -> bytes:
    """The Bundle of a page; ``path`` is what was searched, below the base."""
    entries = [search_entry(base, entry.stored, entry.mode) for entry in page.entries]
    notes = [_IGNORED] * len(page.ignored) + list(page.notes)
    if notes:
        entries.append(outcome_entry(encode(of_issues([Issue("warning", "not-supported", note, "") for note in notes]))))
    return bundle("searchset", entries, total=page.total, links=_links(f"{base}/fhir{path}", page))


def _links(url: str, page: Page) -> Iterator[tuple[str, str]]:
    """self, and the other pages where there are any; first is the search without a place in it."""
    query = urlencode(page.used)
    bare = f"{url}?{query}" if query else url
    sign = "&" if query else "?"
    cursors = {"self": None, **({"first": None} if page.links else {}), **page.links}
    for relation, cursor in cursors.items():
        yield relation, bare if cursor is None else f"{bare}{sign}_cursor={cursor}"
