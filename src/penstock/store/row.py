"""What a resource is found by: its search values, laid out as hot columns, tokens, and rows of the side tables.

Search compiles a query to the same values (see ``search``); what both must agree on is here: how a value becomes a hash.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from math import inf
from typing import NamedTuple

from penstock.formats.fhir.searchparams import Indexed
from penstock.store.hashing import h64, param_hash, prefix, self_hash
from penstock.store.layout import UNIONS, Layout, is_unique, layout

Range = tuple[int, int, float, float]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: The date of a resource that has none: before every date.
UNDATED = -(2**62)
#: Longest text that is indexed; longer ones are found by what they begin with.
LONGEST = 200

_SEPARATOR = "\x1e"
#: Answered by columns of their own.
_COLUMNS = frozenset(("_id", "_lastUpdated"))


class Row(NamedTuple):
    """The search side of one version."""

    pat: int | None
    code: int | None
    dlo: int | None
    dhi: int | None
    tok: list[int]
    ident: list[tuple[int, int]]
    strings: list[tuple[int, str]]
    ranges: list[Range]


def row_of(tenant: str, type: str, id: str, indexed: Indexed) -> Row:
    """Lay out the search values of one resource."""
    shape = layout(type)
    tokens: set[int] = set()
    pat = _references(tenant, shape, indexed, tokens)
    if type == "Patient":
        pat = self_hash(tenant, "Patient", id)
    code, ident = _tokens(tenant, shape, indexed, tokens)
    for param, uri in indexed.uris:
        tokens.add(h64(prefix(tenant, type, param) + uri))
    dlo, dhi, ranges = _dates(tenant, shape, indexed)
    _numbers(tenant, type, indexed, ranges)
    strings = [(param_hash(tenant, type, param), fold(text)[:LONGEST]) for param, text in indexed.strings]
    return Row(pat, code, dlo, dhi, list(tokens), ident, list(dict.fromkeys(strings)), ranges)


def local_references(indexed: Indexed) -> list[tuple[str, str, str]]:
    """The references to resources of this store: an absolute URL names a resource of another server."""
    urls = [(param, text.partition("/_history/")[0].split("/")[-2:]) for param, text in indexed.ref_urls if "/" in text]
    if not urls:
        return indexed.refs
    absolute = Counter((param, *ends) for param, ends in urls)
    local = []
    for reference in indexed.refs:
        if absolute[reference]:
            absolute[reference] -= 1
        else:
            local.append(reference)
    return local


def _references(tenant: str, shape: Layout, indexed: Indexed, tokens: set[int]) -> int | None:
    """Add the references to the tokens, less what the patient column answers, which is returned."""
    pat = None
    for param, type, id in local_references(indexed):
        if type == "Patient" and param in shape.patients:
            pat = self_hash(tenant, type, id)
        else:
            tokens.add(reference_token(prefix(tenant, shape.type, param), type, id))
    for param, url in indexed.ref_urls:
        tokens.add(h64(prefix(tenant, shape.type, param) + url))
    return pat


def _tokens(tenant: str, shape: Layout, indexed: Indexed, tokens: set[int]) -> tuple[int | None, list[tuple[int, int]]]:
    """Add the tokens; returns the hot code (the first one) and the unique values."""
    hot: int | None = None
    unique: set[tuple[int, int]] = set()
    for param, system, code in (*indexed.tokens, *indexed.identifiers) if indexed.identifiers else indexed.tokens:
        if param in _COLUMNS or (shape.type, param) in UNIONS:
            continue
        start = prefix(tenant, shape.type, param)
        if is_unique(param):
            unique.add(unique_value(start, system, code))
            continue
        tokens.add(h64(start + code))
        if system:
            tokens.add(token(start, system, ""))
        full = token(start, system or "", code)
        if hot is None and param == shape.code:
            hot = full
        else:
            tokens.add(full)
    for param, system, code in indexed.ref_identifiers:
        unique.add(unique_value(prefix(tenant, shape.type, param + ":identifier"), system, code))
    return hot, list(unique)


def _dates(tenant: str, shape: Layout, indexed: Indexed) -> tuple[int | None, int | None, list[Range]]:
    """The hot date (low, high), and the ranges of every other date parameter."""
    low = high = UNDATED if shape.date else None
    ranges: list[Range] = []
    for param, first, last in indexed.dates:
        if param == shape.date:
            low, high = micros(first), micros(last)
        elif param not in _COLUMNS:
            ranges.append((param_hash(tenant, shape.type, param), 0, float(micros(first)), float(micros(last))))
    return low, high, ranges


def _numbers(tenant: str, type: str, indexed: Indexed, ranges: list[Range]) -> None:
    for param, low, high in indexed.numbers:
        ranges.append((param_hash(tenant, type, param), 0, *limits(low, high)))
    for param, low, high, _system, code, unit in indexed.quantities:
        if (type, param) not in UNIONS:
            ranges.append((param_hash(tenant, type, param), unit_hash(code or unit), *limits(low, high)))


def reference_token(start: str, type: str, id: str) -> int:
    """The token of a reference under the prefix ``start``."""
    return h64(f"{start}{type}/{id}")


def token(start: str, system: str, code: str) -> int:
    """The token of a code in a system under the prefix ``start``; without a code, of every code in it."""
    return h64(f"{start}{system}{_SEPARATOR}{code}")


@lru_cache(maxsize=1024)
def system_hash(system: str) -> int:
    """The system of a unique value; the empty one where it has none."""
    return h64(system)


def unique_value(start: str, system: str | None, value: str) -> tuple[int, int]:
    """An identifier (or telephone number, …) as the ident table holds it."""
    return h64(start + value), system_hash(system or "")


@lru_cache(maxsize=4096)
def unit_hash(unit: str | None) -> int:
    """A quantity's unit: its code, else its display; 0 where it has none."""
    return h64(unit) if unit else 0


def micros(moment: datetime) -> int:
    """Microseconds since 1970: exact as a double, too."""
    return (moment - _EPOCH) // _MICROSECOND


def limits(low: Decimal | None, high: Decimal | None) -> tuple[float, float]:
    """A span of numbers as doubles."""
    return -inf if low is None else float(low), inf if high is None else float(high)


def fold(text: str) -> str:
    """Text as string search compares it: without case, marks, and runs of space (search.html#string)."""
    if not text.isascii():
        text = "".join(char for char in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(char))
    return " ".join(text.lower().split())
