"""``penstock fhirpath``: an expression tried on a resource in a file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from penstock.errors import Problem
from penstock.formats.fhir import json, xml
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.path import Env, program


class Found(NamedTuple):
    """One item: its type (``dateTime``, ``System.Integer``) and its value."""

    type: str
    value: Any


_encoder = msgspec.json.Encoder(decimal_format="number")


def text(value: Any) -> str:
    """JSON in one line; decimals keep their digits."""
    return _encoder.encode(value).decode()


def evaluate(expression: str, data: bytes, *, type: str | None, now: datetime, trace: Callable[[str, list[Any]], None]) -> list[Found]:
    """All items that an expression finds in a resource, or in JSON of a data type that ``type`` names. Strict, as an author wants it."""
    focus = xml.decode(data) if data.lstrip().startswith(b"<") else json.decode(data)
    name = type or focus.get("resourceType")
    if not isinstance(name, str) or r4().type(name) is None:
        raise Problem("invalid", "R4 has no such type", at="resourceType" if type is None else "--type")
    compiled = program(expression, name, strict=True)
    return [Found(*each) for each in compiled.typed(focus, Env(now=now, trace=trace))]
