"""The primitive types: one test each, from a JSON value to None or what is wrong (http://hl7.org/fhir/R4/datatypes.html#primitive)."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from penstock.formats.fhir.validate.found import Found, Test, wrong

MAX_TEXT = 1024 * 1024
#: A whole number may have as many digits as ``json`` accepts of a fraction.
MAX_WHOLE = 10**64

STRING = wrong("structure", "a JSON string is expected here")
NUMBER = wrong("structure", "a JSON number is expected here")
BOOLEAN = wrong("structure", "true or false is expected here")
EMPTY = wrong("value", "a text is never empty: leave the element out")
TEXT = wrong("value", "a text contains control characters, only white space, or is longer than 1 MB")


def _format(type: str) -> list[Found]:
    return wrong("value", f"this is not written as the type {type} asks")


def string(value: Any) -> list[Found] | None:
    if value.__class__ is not str:
        return STRING
    if value.isprintable() and value and value[0] != " ":
        return None if len(value) <= MAX_TEXT else TEXT
    return _unusual(value)


has_control = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]").search


def _unusual(value: str) -> list[Found] | None:
    if not value:
        return EMPTY
    return TEXT if value.isspace() or has_control(value) or len(value) > MAX_TEXT else None


def _matching(type: str, pattern: str) -> Test:
    bad, match = _format(type), re.compile(pattern).fullmatch

    def test(value: Any) -> list[Found] | None:
        if value.__class__ is not str:
            return STRING
        return None if match(value) else (bad if value else EMPTY)

    return test


def code(value: Any) -> list[Found] | None:
    if value.__class__ is str and value.isalnum():
        return None
    return _code(value)


_ZONE = r"(?:Z|[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00))"
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?"
_MONTH, _DAY = r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_YEAR = r"(?!0000)\d{4}"


def _calendar(type: str, pattern: str) -> Test:
    """A pattern, and a day that its month has."""
    bad, match = _format(type), re.compile(pattern, re.ASCII).fullmatch

    def test(value: Any) -> list[Found] | None:
        if value.__class__ is not str:
            return STRING
        if not match(value):
            return bad if value else EMPTY
        return None if value[8:10] < "29" or _exists(value[:10]) else bad

    return test


def _exists(day: str) -> bool:
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


def instant_fast(slow: Test) -> Test:
    """Most instants are plain enough for the library's parser; what it refuses gets the exact look."""

    def test(value: Any) -> list[Found] | None:
        if (
            value.__class__ is str
            and len(value) == 25
            and value[4] == value[7] == "-"
            and value[13] == value[22] == ":"
            and value[10] == "T"
        ):
            try:
                datetime.fromisoformat(value)
            except ValueError:
                return slow(value)
            return None if value[24].isascii() and value[23].isascii() and value[20:22] < "14" else slow(value)
        return slow(value)

    return test


def boolean(value: Any) -> list[Found] | None:
    return None if value is True or value is False else BOOLEAN


def _integer(type: str, least: int) -> Test:
    bad = _format(type)

    def test(value: Any) -> list[Found] | None:
        if value.__class__ is not int:
            return NUMBER if value.__class__ is not Decimal else bad
        return None if least <= value <= 2_147_483_647 else bad

    return test


def decimal(value: Any) -> list[Found] | None:
    if value.__class__ is Decimal:
        return None
    if value.__class__ is int:
        return None if -MAX_WHOLE < value < MAX_WHOLE else _DECIMAL
    return None if value.__class__ is float and value - value == 0 else NUMBER


def base64(value: Any) -> list[Found] | None:
    if value.__class__ is not str:
        return STRING
    if not value:
        return EMPTY
    try:
        binascii.a2b_base64(_SPACE.sub("", value), strict_mode=True)
    except ValueError:
        return _BASE64
    return None


_SPACE = re.compile(r"[ \t\r\n]+")
_BASE64 = _format("base64Binary")
_DECIMAL = _format("decimal")


def one_of(codes: frozenset[str]) -> Test:
    """A code with a required binding to a closed set."""

    def test(value: Any) -> list[Found] | None:
        if value.__class__ is not str:
            return STRING
        return None if value in codes else CODE

    return test


CODE = wrong("code-invalid", "the code is none of those that the specification requires here")

_code = _matching("code", r"[^\s]+(?:\s[^\s]+)*")
_uri = r"\S+"

TESTS: dict[str, Callable[[Any], list[Found] | None]] = {
    "string": string,
    "markdown": string,
    "code": code,
    "id": _matching("id", r"[A-Za-z0-9\-.]{1,64}"),
    "uri": _matching("uri", _uri),
    "url": _matching("url", _uri),
    "canonical": _matching("canonical", _uri),
    "oid": _matching("oid", r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+"),
    "uuid": _matching("uuid", r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    "date": _calendar("date", rf"{_YEAR}(?:-{_MONTH}(?:-{_DAY})?)?"),
    "dateTime": instant_fast(_calendar("dateTime", rf"{_YEAR}(?:-{_MONTH}(?:-{_DAY}(?:T{_CLOCK}{_ZONE})?)?)?")),
    "instant": instant_fast(_calendar("instant", rf"{_YEAR}-{_MONTH}-{_DAY}T{_CLOCK}{_ZONE}")),
    "time": _matching("time", _CLOCK),
    "boolean": boolean,
    "integer": _integer("integer", -2_147_483_648),
    "unsignedInt": _integer("unsignedInt", 0),
    "positiveInt": _integer("positiveInt", 1),
    "decimal": decimal,
    "base64Binary": base64,
}
