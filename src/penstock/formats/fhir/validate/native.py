"""Invariants in plain Python: those that nearly every resource is asked, at a fraction of the cost, and those beyond FHIRPath."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from penstock.formats.fhir.path import Env


def local_reference(value: Any, env: Env) -> bool:
    """ref-1: a reference to ``#id`` finds its resource among those contained; ``#`` alone is the container."""
    text = value.get("reference")
    if text.__class__ is not str or not text.startswith("#") or text == "#":
        return True
    held = env.variables.get(HELD)
    return text[1:] in (ids_held(env.root if env.root is not None else env.resource) if held is None else held)


#: The variable that holds what :func:`ids_held` says of the root, so that it is found once for all references.
HELD = "penstock-contained"


def ids_held(root: dict[str, Any] | None) -> frozenset[Any]:
    """The ids of the resources that a resource contains."""
    return frozenset(each.get("id") for each in (root or {}).get("contained", ()) if each.__class__ is dict)


def contained_is_used(value: Any, env: Env) -> bool:
    """dom-3: what is contained is referred to from elsewhere in the resource, or refers to its container.

    The expression looks through the whole resource once for each of them.
    """
    contained = [each for each in value.get("contained", ()) if each.__class__ is dict]
    if not contained:
        return True
    named = set(_local(value))
    return all(f"#{each.get('id')}" in named or "#" in _local(each) for each in contained)


def _local(value: Any) -> Iterator[str]:
    """All texts that begin with ``#``: references, canonicals and URLs to what is contained."""
    todo = [value]
    while todo:
        one = todo.pop()
        if one.__class__ is str:
            if one.startswith("#"):
                yield one
        elif one.__class__ is dict:
            todo += one.values()
        elif one.__class__ is list:
            todo += one


def unique_entries(value: Any, env: Env) -> bool:
    """bdl-7: no two entries of a Bundle have the same fullUrl and version; a history may."""
    if value.get("type") == "history":
        return True
    names = [
        (entry["fullUrl"], (entry.get("resource") or {}).get("meta", {}).get("versionId"))
        for entry in value.get("entry", ())
        if "fullUrl" in entry
    ]
    return len(set(names)) == len(names)


def allowed_xhtml(value: Any, env: Env) -> bool:
    """txt-1: the narrative is limited XHTML. The check of structure has said so already."""
    return True


def some_content(value: Any, env: Env) -> bool:
    """txt-2: the narrative says something: a text, or an image."""
    return not isinstance(value, str) or "<img" in value or bool(_TAG.sub("", value).strip())


_TAG = re.compile(r"<[^>]*>")

#: Key to the rule.
NATIVE: dict[str, Callable[[Any, Env], bool | None]] = {
    "ref-1": local_reference,
    "dom-3": contained_is_used,
    "bdl-7": unique_entries,
    "txt-1": allowed_xhtml,
    "txt-2": some_content,
}
