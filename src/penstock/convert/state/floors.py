"""Deletions. What a message deletes is under a floor: it goes, and what was said before it and comes later does not bring it back.

A path is an element (``birthDate``, ``period.end``), the entries of a list of which something is true (``telecom[use=home]``), or the
register of one entry (``identifier#1f0c2a77``).
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple


class Place(NamedTuple):
    """A path, read: the property of the resource, and what below it."""

    name: str
    below: tuple[str, ...] = ()
    test: tuple[str, str] | None = None
    entry: str = ""


@cache
def place(path: str) -> Place:
    name, hashed, _ = path.partition("#")
    if hashed:
        return Place(name, entry=path)
    head, _, rest = path.partition(".")
    name, _, test = head.rstrip("]").partition("[")
    key, _, value = test.partition("=")
    return Place(name, tuple(rest.split(".")) if rest else (), (key, value) if test else None)


def names(at: Place, entry: Any, register: str) -> bool:
    """Whether a path is about an entry of a list."""
    if at.entry:
        return at.entry == register
    if at.test is not None:
        return isinstance(entry, dict) and entry.get(at.test[0]) == at.test[1]
    return not at.below


def pruned(value: Any, at: Place) -> Any:
    """A value of the property without what the path is about; None for nothing."""
    if at.test is not None and isinstance(value, list):
        return [one for one in value if not names(at, one, "")] or None
    return without(value, at.below) or None


def without(value: Any, path: tuple[str, ...]) -> Any:
    if not path or not isinstance(value, dict):
        return value if path else None
    name, *rest = path
    left = {each: one for each, one in value.items() if each not in (name, f"_{name}")}
    inner = without(value[name], tuple(rest)) if rest and name in value else None
    return {**left, name: inner} if inner else left
