"""Where references lead: to what is contained, to an entry of the Bundle, or outside (http://hl7.org/fhir/R4/bundle.html#references)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Resource = dict[str, Any]

#: ``[base]Type/id``, with or without a version: the form of a RESTful URL (references.html#regex).
RESTFUL = re.compile(r"((?:https?://[^\s?#]*/)?)([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/([A-Za-z0-9\-.]{1,64}))?")


@dataclass(slots=True)
class Entries:
    """The entries of a Bundle by their fullUrl."""

    by_url: dict[str, list[Resource]] = field(default_factory=lambda: defaultdict(list))
    url_of: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, bundle: Resource) -> Entries:
        found = cls()
        for entry in bundle.get("entry", ()):
            resource = entry.get("resource") if isinstance(entry, dict) else None
            url = entry.get("fullUrl") if isinstance(entry, dict) else None
            if isinstance(resource, dict) and isinstance(url, str):
                found.by_url[url].append(resource)
                found.url_of[id(resource)] = url
        return found

    def matching(self, url: str) -> list[Resource]:
        """All entries that an absolute URL means, its version included."""
        bare, _, version = url.partition("/_history/")
        found = self.by_url.get(bare, []) if version else self.by_url.get(url, [])
        return [one for one in found if not version or (one.get("meta") or {}).get("versionId") == version]


@dataclass(frozen=True, slots=True)
class Place:
    """The resource that is being looked at, what contains it, the entries of the Bundle around it, and its own if it is a Bundle.

    ``held`` are the resources that ``root`` contains, by id.
    """

    resource: Resource
    root: Resource
    around: Entries | None = None
    own: Entries | None = None
    held: Mapping[Any, Resource] = field(default_factory=dict)

    @classmethod
    def of(cls, resource: Resource, around: Entries | None = None) -> Place:
        """The place of a resource that is contained in none."""
        own = Entries.of(resource) if resource.get("resourceType") == "Bundle" else None
        return cls(resource, resource, around, own, {each.get("id"): each for each in reversed(resource.get("contained", ()))})

    def inside(self, resource: Resource) -> Place:
        """The place of a resource that is contained here, or an entry here, or anything else that holds itself."""
        if self.held.get(resource.get("id")) is resource:
            return Place(resource, self.root, self.around, None, self.held)
        return Place.of(resource, self.own or self.around)

    def absolute(self, text: str) -> str | None:
        """A reference as the URL that it means in this place; None where it means nothing by itself."""
        match = RESTFUL.fullmatch(text)
        if match is None or match[1]:
            return text
        own = self.around.url_of.get(id(self.root)) if self.around else None
        around = RESTFUL.fullmatch(own) if own else None
        return around[1] + text if around and around[1] else None

    def contained(self, id: str) -> Resource | None:
        if not id:
            return self.root
        return self.held.get(id)

    def matches(self, text: str) -> list[Resource]:
        """What a reference finds among what is contained and the entries around it."""
        if text.startswith("#"):
            found = self.contained(text[1:])
            return [found] if found is not None else []
        url = self.absolute(text)
        return self.around.matching(url) if self.around and url else []


def type_named(reference: Resource) -> str:
    """The type of the target that a reference itself tells, or nothing."""
    text = reference.get("reference")
    match = RESTFUL.fullmatch(text) if isinstance(text, str) else None
    if match:
        return match[2]
    if isinstance(text, str) and "?" in text:
        return text.partition("?")[0]
    told = reference.get("type")
    return told if isinstance(told, str) else ""


def references(value: Any) -> Iterator[str]:
    """Every literal reference in a resource to something outside of it."""
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            if isinstance(one.get("reference"), str) and not one["reference"].startswith("#"):
                yield one["reference"]
            todo += one.values()
        elif isinstance(one, list):
            todo += one
