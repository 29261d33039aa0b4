"""FHIR primitives from v2 text. Each takes the conversion, the text and its source path; what FHIR cannot say is noted, not raised."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any

from penstock.convert.run import Run
from penstock.formats.hl7v2.escape import render
from penstock.formats.hl7v2.times import to_fhir

#: FHIR R4 decimal: 18 significant digits are enough for any measurement; no exponent, so that precision is what was written.
NUMBER = re.compile(r"\s*\+?(-?(?:[0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18}))\s*$")
CODE = re.compile(r"\S+( \S+)*$")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
BOOLEANS = {"Y": True, "N": False, "YES": True, "NO": False, "TRUE": True, "FALSE": False, "1": True, "0": False}

Primitive = Callable[[Run, str, str], Any]


def string(run: Run, text: str, source: str) -> str | None:
    text = text.strip()
    if not text.isprintable() and CONTROL.search(text):
        text = CONTROL.sub("\ufffd", text)
    return text or None


def markdown(run: Run, text: str, source: str) -> str | None:
    return string(run, render(text, run.cuts, run.charset), source)


def code(run: Run, text: str, source: str) -> str | None:
    """No blanks at the ends and single ones inside (R4 datatypes, code)."""
    if text.isalnum():
        return text
    return " ".join(text.split()) or None


def uri(run: Run, text: str, source: str) -> str | None:
    text = text.strip()
    if len(text.split()) != 1:
        run.note(source, "a URI holds no blanks")
        return None
    return text


def boolean(run: Run, text: str, source: str) -> bool | None:
    found = BOOLEANS.get(text.strip().upper())
    if found is None:
        run.note(source, "this is neither yes nor no")
    return found


def integer(run: Run, text: str, source: str, least: int | None = None) -> int | None:
    number = decimal(run, text, source)
    if number is None:
        return None
    if number != number.to_integral_value() or not -(2**31) <= number < 2**31 or (least is not None and number < least):
        run.note(source, "this is not a whole number in the range that the element allows")
        return None
    return int(number)


def positive(run: Run, text: str, source: str) -> int | None:
    return integer(run, text, source, 1)


def unsigned(run: Run, text: str, source: str) -> int | None:
    return integer(run, text, source, 0)


def decimal(run: Run, text: str, source: str) -> Decimal | None:
    """NM (HL7 v2.5 2.A.47): sign, digits, point. Trailing zeros are precision and stay; leading ones are not and go."""
    found = number(text)
    if found is None:
        run.note(source, "this is not a number")
    return found


@lru_cache(maxsize=4096)
def number(text: str) -> Decimal | None:
    found = NUMBER.match(text)
    return Decimal(found[1].rstrip(".")) if found is not None else None


def numeric(text: str) -> bool:
    """Whether NM text is a number, for conditions."""
    return number(text) is not None


def moment(kind: str) -> Primitive:
    def convert(run: Run, text: str, source: str) -> str | None:
        found = to_fhir(text, kind, run.context.zone)
        if found.text is None and kind == "date":
            found = to_fhir(text[:8], kind)
        if found.text is None:
            run.note(source, found.reason)
        return found.text

    return convert


PRIMITIVES: dict[str, Primitive] = {
    "string": string,
    "markdown": markdown,
    "code": code,
    "id": code,
    "uri": uri,
    "url": uri,
    "canonical": uri,
    "oid": uri,
    "uuid": uri,
    "boolean": boolean,
    "integer": integer,
    "positiveInt": positive,
    "unsignedInt": unsigned,
    "decimal": decimal,
    "date": moment("date"),
    "dateTime": moment("dateTime"),
    "instant": moment("instant"),
    "time": moment("time"),
    "base64Binary": string,
}
