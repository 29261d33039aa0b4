"""String functions (http://hl7.org/fhirpath/N1/#string-manipulation). Patterns run on an engine that takes linear time."""

from __future__ import annotations

import base64
import binascii
import html
import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import re2

from penstock.errors import Problem
from penstock.formats.fhir.path.runtime.arithmetic import MAX_TEXT

_MAX_PATTERN = 2_000
#: The most places of a text that a pattern may replace.
_MAX_REPLACED = 10_000


def substring(text: str, start: int, length: int | None = None) -> str | None:
    if not 0 <= start < len(text):
        return None
    return text[start:] if length is None else text[start : start + max(length, 0)]


def replace(text: str, pattern: str, substitution: str) -> str:
    return _bounded(text, len(pattern), substitution, lambda: text.replace(pattern, substitution))


def _bounded(text: str, least: int, substitution: str, make: Callable[[], str]) -> str:
    """Refuses before it makes: at most every ``least`` characters are replaced."""
    if len(text) + (len(text) // max(least, 1) + 1) * len(substitution) > MAX_TEXT:
        raise Problem("too-costly", "the expression makes a text that is too long")
    return make()


@lru_cache(maxsize=512)
def _pattern(pattern: str) -> Any:
    if len(pattern) > _MAX_PATTERN:
        raise Problem("too-costly", "the expression has a pattern that is too long")
    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True
    options.max_mem = 4 << 20
    try:
        return re2.compile(pattern, options)
    except re2.error:
        raise Problem("invalid", "the expression has a pattern that is no regular expression") from None


def matches(text: str, pattern: str) -> bool:
    return _pattern(pattern).search(text) is not None


def matches_full(text: str, pattern: str) -> bool:
    return _pattern(pattern).fullmatch(text) is not None


def replace_matches(text: str, pattern: str, substitution: str) -> str:
    """``$1`` in the substitution is the first group; an empty pattern changes nothing."""
    if not pattern:
        return text
    compiled = _pattern(pattern)
    pieces = _pieces(substitution)
    size = sum(len(piece) for piece in pieces if isinstance(piece, str))
    found: list[str] = []
    at = length = 0
    for number, match in enumerate(compiled.finditer(text)):
        new = "".join(piece if isinstance(piece, str) else _group(match, piece) for piece in pieces)
        found += (text[at : match.start()], new)
        at, length = match.end(), length + len(new)
        if length + size > MAX_TEXT or number >= _MAX_REPLACED:
            raise Problem("too-costly", "the expression replaces too much of a text")
    return "".join(found) + text[at:]


def _pieces(substitution: str) -> list[str | int]:
    """Texts and the numbers of groups."""
    found: list[str | int] = []
    for place, part in enumerate(substitution.split("$")):
        if place and part[:1].isdecimal():
            found += (int(part[0]), part[1:])
        else:
            found.append(f"${part}" if place else part)
    return found


def _group(match: Any, number: int) -> str:
    try:
        return match.group(number) or ""
    except (IndexError, re2.error):
        return ""


def split(text: str, separator: str) -> list[str]:
    return text.split(separator) if separator else list(text)


def join(items: Sequence[Any], separator: str = "") -> str:
    if any(type(item) is not str for item in items):
        raise Problem("invalid", "only texts can be joined")
    if sum(map(len, items)) + len(items) * len(separator) > MAX_TEXT:
        raise Problem("too-costly", "the expression makes a text that is too long")
    return separator.join(items)


def _hex(text: str) -> str:
    return bytes.fromhex(text).decode()


def _base64(text: str) -> str:
    return base64.b64decode(text, validate=True).decode()


def _urlbase64(text: str) -> str:
    return base64.b64decode(text, altchars=b"-_", validate=True).decode()


def _json(text: str) -> str:
    """Half a character is no text."""
    return str(json.loads(f'"{text}"', strict=False)).encode().decode()


_ENCODINGS: dict[str, tuple[Callable[[str], str], Callable[[str], str]]] = {
    "hex": (lambda text: text.encode().hex(), _hex),
    "base64": (lambda text: base64.b64encode(text.encode()).decode(), _base64),
    "urlbase64": (lambda text: base64.urlsafe_b64encode(text.encode()).decode(), _urlbase64),
}
_ESCAPES: dict[str, tuple[Callable[[str], str], Callable[[str], str]]] = {
    "html": (html.escape, html.unescape),
    "json": (lambda text: json.dumps(text, ensure_ascii=False)[1:-1], _json),
}


def _through(table: dict[str, tuple[Callable[[str], str], Callable[[str], str]]], name: str, back: bool, text: str) -> str | None:
    """None for a scheme that is not known, or a text that does not follow it."""
    if name not in table:
        return None
    try:
        return table[name][back](text)
    except (ValueError, binascii.Error):
        return None


def encode(text: str, scheme: str) -> str | None:
    return _through(_ENCODINGS, scheme, False, text)


def decode(text: str, scheme: str) -> str | None:
    return _through(_ENCODINGS, scheme, True, text)


def escape(text: str, target: str) -> str | None:
    return _through(_ESCAPES, target, False, text)


def unescape(text: str, target: str) -> str | None:
    if target == "json":
        text = text.replace('\\"', '"').replace('"', '\\"')
    return _through(_ESCAPES, target, True, text)


def is_narrative(text: Any, whole: bool) -> bool | None:
    """``htmlChecks()``: whether a text is the limited XHTML of narratives, or could be inside of one; nothing for what is no text."""
    from penstock.formats.fhir.validate.narrative import xhtml  # validation in turn compiles expressions

    if not isinstance(text, str):
        return None
    return xhtml(text if whole else f"<div>{text}</div>") is None
