"""A piece of a file as resources that can be stored: valid ones, under their own ids, with the links of their Bundle resolved.

Pure. A Bundle of a kind that only carries resources is taken apart; a document or a message is a resource itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from penstock.api.fhir.links import names_of, relink
from penstock.errors import Problem
from penstock.formats.fhir import json
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.validate import require_sound

Resource = dict[str, Any]

_CARRIERS = frozenset(("transaction", "batch", "collection", "searchset"))
_TEMPORARY = "urn:uuid:"
#: Types that cannot be loaded: what is secret in them is sealed when they come through the API.
_SEALED = frozenset(("Subscription",))


class Unpacked(NamedTuple):
    """A resource, or what is wrong with it; ``entry`` is its place in the Bundle, or -1."""

    entry: int
    resource: Resource | Problem


def unpack(data: bytes) -> list[Unpacked]:
    """What a line or a document holds."""
    try:
        resource = json.decode(data)
        if resource.get("resourceType") == "Bundle" and resource.get("type") in _CARRIERS:
            return list(_entries(resource))
        return [Unpacked(-1, _sound(resource))]
    except Problem as problem:
        return [Unpacked(-1, problem)]


def _entries(bundle: Resource) -> Iterator[Unpacked]:
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise Problem("structure", "the entries of a Bundle are a list", at="Bundle.entry")
    links: dict[str, str] = {}
    ready: list[tuple[int, Resource | Problem]] = []
    for number, entry in enumerate(entries):
        try:
            resource = _named(entry, links)
        except Problem as problem:
            ready.append((number, problem))
        else:
            ready.append((number, resource))
    for number, each in ready:
        yield Unpacked(number, each if isinstance(each, Problem) else _linked(each, links, number))


def _linked(resource: Resource, links: Mapping[str, str], number: int) -> Resource | Problem:
    try:
        return _sound(relink(resource, links, f"Bundle.entry[{number}].resource"))
    except Problem as problem:
        return problem


def _named(entry: Any, links: dict[str, str]) -> Resource:
    """The resource of an entry under the id that it will have; ``links`` learns what others call it."""
    resource = entry.get("resource") if isinstance(entry, dict) else None
    if not isinstance(resource, dict) or resource.get("resourceType") not in r4().resource_types:
        raise Problem("required", "an entry that is loaded has a resource", at="Bundle.entry.resource")
    request = entry.get("request")
    if isinstance(request, dict) and (
        request.get("method") not in ("POST", "PUT") or "ifNoneExist" in request or "?" in str(request.get("url"))
    ):
        raise Problem("not-supported", "conditional requests, patches and deletions go through the API", at="Bundle.entry.request")
    url = entry.get("fullUrl")
    type = resource["resourceType"]
    id = resource.get("id")
    if isinstance(url, str):
        if url.startswith(_TEMPORARY):
            id = url.removeprefix(_TEMPORARY)
        for name in names_of(url, type):
            links[name] = f"{type}/{id}"
    return resource if resource.get("id") == id else {**resource, "id": id}


def _is_plain(request: Resource) -> bool:
    """Whether all that is asked for is to store the resource."""
    return request.get("method") in ("POST", "PUT") and "ifNoneExist" not in request and "?" not in str(request.get("url"))


def _sound(resource: Resource) -> Resource:
    """A valid resource that names itself."""
    if not isinstance(resource.get("id"), str):
        raise Problem("required", "a resource that is loaded has an id", at="Resource.id")
    if resource.get("resourceType") in _SEALED:
        raise Problem("not-supported", "resources of this type come through the API, which seals what is secret in them")
    require_sound(resource)
    return resource
