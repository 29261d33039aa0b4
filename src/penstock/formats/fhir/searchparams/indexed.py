"""What extraction gives: for each kind of search, plain tuples that begin with the parameter's code."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal


@dataclass(slots=True)
class Indexed:
    """Everything that one resource can be found by. A tuple may occur twice when the resource says something twice."""

    #: (parameter, system or None, code). A code whose binding names one code system carries it.
    tokens: list[tuple[str, str | None, str]] = field(default_factory=list)
    #: (parameter, system or None, value): business identifiers, kept out of tokens because they are (nearly) unique.
    identifiers: list[tuple[str, str | None, str]] = field(default_factory=list)
    #: (parameter, type, id) of literal references, relative or absolute; the version is left out.
    refs: list[tuple[str, str, str]] = field(default_factory=list)
    #: (parameter, the text of an absolute or urn: reference): what ``refs`` cannot tell from a local one.
    ref_urls: list[tuple[str, str]] = field(default_factory=list)
    #: (parameter, system or None, value) of logical references, for ``:identifier``.
    ref_identifiers: list[tuple[str, str | None, str]] = field(default_factory=list)
    #: (parameter, text as written): names and addresses give each of their parts.
    strings: list[tuple[str, str]] = field(default_factory=list)
    #: (parameter, display or text of a coded value), for ``:text``.
    texts: list[tuple[str, str]] = field(default_factory=list)
    #: (parameter, low, high) in UTC, high excluded.
    dates: list[tuple[str, datetime, datetime]] = field(default_factory=list)
    #: (parameter, low, high): what the written precision covers, high excluded; None is without limit.
    numbers: list[tuple[str, Decimal | None, Decimal | None]] = field(default_factory=list)
    #: (parameter, low, high, system or None, code or None, unit or None), low and high as in ``numbers``.
    quantities: list[tuple[str, Decimal | None, Decimal | None, str | None, str | None, str | None]] = field(default_factory=list)
    #: (parameter, uri as written)
    uris: list[tuple[str, str]] = field(default_factory=list)
