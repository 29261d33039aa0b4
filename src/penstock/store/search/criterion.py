"""One criterion of a search: the joint between reading a query and what each type of parameter makes of its values."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Criterion:
    """One parameter with the values of which one must hold. Values keep their escapes: see :func:`split` and :func:`plain`.

    ``kind`` is an entry of ``types.TYPES``; ``targets`` are the resource types that a reference may point at.
    """

    param: str
    kind: str
    modifier: str
    values: tuple[str, ...]
    targets: tuple[str, ...] = ()


def split(text: str, separator: str) -> list[str]:
    """The parts between separators that no backslash escapes; the parts keep their escapes (search.html#escaping)."""
    if "\\" not in text:
        return text.split(separator)
    parts, start, at = [], 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        if text[at] == separator:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    return [*parts, text[start:]]


def plain(text: str) -> str:
    """A part without its escapes."""
    return re.sub(r"\\([,|$\\])", r"\1", text) if "\\" in text else text


def escaped(text: str) -> str:
    """A part with escapes: what :func:`plain` reads back."""
    return re.sub(r"([,|$\\])", r"\\\1", text)
