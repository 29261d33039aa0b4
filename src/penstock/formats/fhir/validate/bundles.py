"""What a Bundle promises about its entries (http://hl7.org/fhir/R4/bundle.html, documents.html)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.validate.issue import Issue
from penstock.formats.fhir.validate.items import Item
from penstock.formats.fhir.validate.profile.apply import World
from penstock.formats.fhir.validate.references import RESTFUL, Place, references

Resource = dict[str, Any]

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")
#: Bundles that are asked to be carried out name what they are about in ``request``.
REQUESTS = frozenset(("batch", "transaction", "batch-response", "transaction-response"))
#: What a document must hold itself, as paths from its Composition (documents.html#content).
IN_DOCUMENT = (
    ("subject",),
    ("encounter",),
    ("author",),
    ("attester", "party"),
    ("custodian",),
    ("event", "detail"),
    ("section", "author"),
    ("section", "focus"),
    ("section", "entry"),
)


def check(item: Item, world: World) -> list[Issue]:
    """The rules that no invariant states."""
    bundle = item.value
    entries = [(f"{item.at}.entry[{number}]", entry) for number, entry in enumerate(bundle.get("entry", ()))]
    issues = [issue for at, entry in entries for issue in _entry(bundle["type"], at, entry)] if "type" in bundle else []
    if bundle.get("type") == "document":
        issues += _document(item, bundle, world.place)
    return issues


def _entry(kind: str, at: str, entry: Resource) -> Iterator[Issue]:
    """Every resource has a URL of its own, which does not contradict its id (bundle.html#bundle-unique)."""
    url, resource = entry.get("fullUrl"), entry.get("resource")
    if kind in REQUESTS:
        return
    if url is None:
        if resource is not None and resource.get("resourceType") != "OperationOutcome":
            yield _wrong("required", "every entry has a fullUrl but those of batches and transactions", at, "fullUrl")
    elif not _ABSOLUTE.fullmatch(url):
        yield _wrong("value", "a fullUrl is an absolute URL", f"{at}.fullUrl", "fullUrl")
    elif resource is not None and _contradicts(url, resource):
        yield _wrong("value", "the fullUrl does not end with the type and id of its resource", f"{at}.fullUrl", "fullUrl")
    if kind == "searchset" and resource is not None and "id" not in resource and resource.get("resourceType") != "OperationOutcome":
        yield _wrong("required", "what a search finds has an id", f"{at}.resource", "id")


def _contradicts(url: str, resource: Resource) -> bool:
    named = RESTFUL.fullmatch(url)
    if named is None or not named[1] or named[2] not in r4().resource_types:
        return False
    return (named[2], named[3]) != (resource.get("resourceType"), resource.get("id"))


def _document(item: Item, bundle: Resource, place: Place) -> Iterator[Issue]:
    """A document holds all that its Composition refers to, and nothing that is not connected with it (documents.html#bundle)."""
    entries = [entry.get("resource") for entry in bundle.get("entry", ())]
    if not entries or not isinstance(entries[0], dict) or entries[0].get("resourceType") != "Composition":
        return
    inner = place.inside(entries[0])
    for at, reference in _needed(entries[0], f"{item.at}.entry[0].resource"):
        found = inner.matches(reference)
        if not found:
            yield _wrong("not-found", "a document holds what its Composition refers to", at, "document")
        elif len(found) > 1:
            yield _wrong("structure", "a reference of the Composition means more than one entry", at, "document")
    reached = _connected([each for each in entries if isinstance(each, dict)], inner)
    for number, resource in enumerate(entries):
        if isinstance(resource, dict) and id(resource) not in reached and resource.get("resourceType") not in ("Binary", "Provenance"):
            text = "an entry of a document is connected with its Composition by references"
            yield _wrong("structure", text, f"{item.at}.entry[{number}]", "document")


def _needed(composition: Resource, at: str) -> Iterator[tuple[str, str]]:
    """The literal references of a Composition that a document must resolve, sections in sections included."""
    for steps in IN_DOCUMENT:
        yield from _along(composition, steps, at)
    for number, section in enumerate(composition.get("section", ())):
        yield from _sections(section, f"{at}.section[{number}]")


def _sections(section: Resource, at: str) -> Iterator[tuple[str, str]]:
    for number, inner in enumerate(section.get("section", ())):
        below = f"{at}.section[{number}]"
        for step in ("author", "focus", "entry"):
            yield from _along(inner, (step,), below)
        yield from _sections(inner, below)


def _along(holder: Any, steps: tuple[str, ...], at: str) -> Iterator[tuple[str, str]]:
    if not steps:
        text = holder.get("reference")
        if isinstance(text, str) and not text.startswith("#"):
            yield at, text
        return
    value = holder.get(steps[0])
    several = value if isinstance(value, list) else [] if value is None else [value]
    for number, each in enumerate(several):
        place = f"{at}.{steps[0]}[{number}]" if isinstance(value, list) else f"{at}.{steps[0]}"
        yield from _along(each, steps[1:], place)


def _connected(entries: list[Resource], place: Place) -> set[int]:
    """The entries that references connect with the first, whichever way they point."""
    links: dict[int, set[int]] = {id(each): set() for each in entries}
    for each in entries:
        inner = place.inside(each)
        for reference in references(each):
            for target in inner.matches(reference):
                if id(target) in links:
                    links[id(each)].add(id(target))
                    links[id(target)].add(id(each))
    reached, todo = set(), [id(entries[0])]
    while todo:
        one = todo.pop()
        if one not in reached:
            reached.add(one)
            todo += links[one]
    return reached


def _wrong(code: str, text: str, at: str, rule: str) -> Issue:
    return Issue("error", code, text, at, rule)
