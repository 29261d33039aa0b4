"""Invariants in plain Python: those that nearly every resource is asked, at a fraction of the cost, and those beyond FHIRPath."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from penstock.formats.fhir.path import Env


def local_reference(value: Any, env: Env) -> bool:
    """ref-1: a reference to ``#id`` finds its resource among those contained; ``#`` alone is the container."""
    text = value.get("reference")
    if text.__class__ is not str or not text.startswith("#") or text == "#":
        return True
    root = env.root if env.root is not None else env.resource
    return any(each.get("id") == text[1:] for each in (root or {}).get("contained", ()) if each.__class__ is dict)


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
    "bdl-7": unique_entries,
    "txt-1": allowed_xhtml,
    "txt-2": some_content,
}
