"""Where references lead: to what is contained, to an entry of the Bundle, or outside (http://hl7.org/fhir/R4/bundle.html#references)."""

from __future__ import annotations

import re
from collections import defaultdict
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
    """The resource that is being looked at, what contains it, and the Bundle around it."""

    resource: Resource
    root: Resource
    entries: Entries | None = None

    def inside(self, resource: Resource) -> Place:
        """The place of a resource that is contained here, or an entry here, or anything else that holds itself."""
        if any(each is resource for each in self.root.get("contained", ())):
            return Place(resource, self.root, self.entries)
        entries = Entries.of(self.resource) if self.resource.get("resourceType") == "Bundle" else self.entries
        return Place(resource, resource, entries)

    def absolute(self, text: str) -> str | None:
        """A reference as the URL that it means in this place; None where it means nothing by itself."""
        match = RESTFUL.fullmatch(text)
        if match is None or match[1]:
            return text
        own = self.entries.url_of.get(id(self.root)) if self.entries else None
        around = RESTFUL.fullmatch(own) if own else None
        return around[1] + text if around and around[1] else None

    def contained(self, id: str) -> Resource | None:
        if not id:
            return self.root
        return next((each for each in self.root.get("contained", ()) if isinstance(each, dict) and each.get("id") == id), None)

    def matches(self, text: str) -> list[Resource]:
        """What a reference finds among what is contained and the entries around it."""
        if text.startswith("#"):
            found = self.contained(text[1:])
            return [found] if found is not None else []
        url = self.absolute(text)
        return self.entries.matching(url) if self.entries and url else []


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
