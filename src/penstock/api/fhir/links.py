"""Links between the entries of a transaction (http://hl7.org/fhir/R4/http.html#2.21.0.17.3): what a temporary name becomes.

Pure. A resource is copied with each link replaced: references, elements that hold a URI, and the links of its narrative.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from penstock.errors import Problem

#: Names of choice elements that hold a URI; other names that begin with ``value`` hold something else.
_URIS = frozenset({"valueUri", "valueUrl", "valueOid", "valueUuid"})
_CONDITIONAL = re.compile(r"[A-Z][A-Za-z]+\?\S+")
_TEMPORARY = ("urn:uuid:", "urn:oid:")
_NARRATIVE = re.compile(r"""\b(href|src)\s*=\s*(["'])([^"']*)\2""")


def names_of(full_url: str, type_: str) -> Iterator[str]:
    """What other entries may call the entry of ``full_url``: that, and relatively where it is the URL of a resource."""
    yield full_url
    head, slash, last = full_url.rpartition("/")
    if slash and "://" in head and head.endswith("/" + type_):
        yield f"{type_}/{last}"


def conditional_references(value: Any) -> Iterator[str]:
    """Every reference in ``value`` that is a search (``Patient?identifier=…``)."""
    if isinstance(value, list):
        for each in value:
            yield from conditional_references(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            if name == "reference" and isinstance(each, str):
                if _CONDITIONAL.fullmatch(each):
                    yield each
            elif isinstance(each, dict | list):
                yield from conditional_references(each)


def relink(value: Any, links: Mapping[str, str], at: str) -> Any:
    """A copy of ``value`` with each link of ``links`` replaced; a temporary reference that no entry has is ``invalid``."""
    if isinstance(value, dict):
        return {name: _relink_member(name, each, links, f"{at}.{name}") for name, each in value.items()}
    if isinstance(value, list):
        return [relink(each, links, f"{at}[{number}]") for number, each in enumerate(value)]
    return value


def _relink_member(name: str, value: Any, links: Mapping[str, str], at: str) -> Any:
    if isinstance(value, list) and value and isinstance(value[0], str):
        return [_relink_member(name, each, links, f"{at}[{number}]") for number, each in enumerate(value)]
    if not isinstance(value, str):
        return relink(value, links, at)
    if name == "reference":
        return _reference(value, links, at)
    if name == "div":
        return _NARRATIVE.sub(lambda found: f"{found[1]}={found[2]}{links.get(found[3], found[3])}{found[2]}", value)
    if value.startswith(_TEMPORARY) and (not name.startswith("value") or name in _URIS):
        return links.get(value, value)
    return value


def _reference(value: str, links: Mapping[str, str], at: str) -> str:
    found = links.get(value)
    if found is not None:
        return found
    if value.startswith(_TEMPORARY):
        raise Problem("invalid", "a reference names an entry that this Bundle does not have", at=at)
    return value
