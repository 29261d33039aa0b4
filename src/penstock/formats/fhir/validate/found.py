"""What a test answers: None, or what it found, each with its path from here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Found(NamedTuple):
    """``at`` is the rest of the path from the tested value on, such as ``.name[0].given``; empty for the value itself."""

    at: str
    code: str
    text: str


Test = Callable[[Any], list[Found] | None]


def wrong(code: str, text: str) -> list[Found]:
    """A constant answer about the value itself. Nobody changes such a list."""
    return [Found("", code, text)]


def under(found: list[Found] | None, step: str, more: list[Found]) -> list[Found]:
    """What was found so far, with what was found at a step below."""
    return [*(found or ()), *(Found(step + each.at, each.code, each.text) for each in more)]
