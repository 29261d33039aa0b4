"""What a resource is found by: its search values, laid out as hot columns, tokens, and rows of the side tables.

Search compiles a query to the same values (see ``search``); what both must agree on is in ``keys``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from penstock.errors import Problem
from penstock.formats.fhir.searchparams import Indexed, Parameters
from penstock.store.hashing import h32, h64, param_hash, prefix, self_hash
from penstock.store.keys import (
    PAIR,
    beginnings,
    below,
    codes,
    fold,
    folders,
    pair_key,
    pieces,
    present,
    reference_token,
    same_case,
    system_hash,
    token,
    typed_value,
    unique_value,
)
from penstock.store.labels import Label, labels_of
from penstock.store.layout import COLUMNS, UNIONS, Layout, holds_contacts, is_unique, layout
from penstock.store.quantities import Number, Range, limits, number_of, quantity_rows
from penstock.store.words import words_of

__all__ = ["LAYOUT", "UNDATED", "Row", "fold", "index_version", "micros", "reference_token", "row_of", "system_hash"]

#: Raise it when the same resource would be laid out otherwise: what is stored is then indexed again.
LAYOUT = 6

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: The date of a resource that has none: before every date.
UNDATED = -(2**62)
#: Ways in which the parts of one composite element may be asked for.
_MOST_PAIRS = 5000


class Row(NamedTuple):
    """The search side of one version. ``has`` says which parameters have a value, ``ix`` with which parameters it was made."""

    pat: int | None
    code: int | None
    dlo: int | None
    dhi: int | None
    number: Number
    has: int
    tok: list[int]
    ident: list[tuple[int, int]]
    strings: list[tuple[int, str]]
    ranges: list[Range]
    words: list[int]
    ix: int = 0
    labels: Sequence[Label] = ()


def index_version(parameters: Parameters, type: str) -> int:
    """What rows of a type carry when they are made by these parameters and this layout."""
    return h32(f"{LAYOUT}\x1f{parameters.fingerprint(type)}")


def row_of(tenant: str, type: str, id: str, indexed: Indexed, ix: int = 0) -> Row:
    """Lay out the search values of one resource."""
    shape = layout(type)
    tokens: set[int] = set()
    has = _presence(tenant, shape, indexed, tokens)
    pat = _references(tenant, shape, indexed, tokens)
    if type == "Patient":
        pat = self_hash(tenant, "Patient", id)
    hot, ident = _tokens(tenant, shape, indexed, tokens)
    for param, text in indexed.texts:
        if (type, param) not in UNIONS:
            tokens.update(beginnings(prefix(tenant, type, param), text))
    _uris(tenant, type, indexed, tokens)
    dlo, dhi, ranges = _dates(tenant, shape, indexed)
    for param, low, high in indexed.numbers:
        ranges.append(Range(param_hash(tenant, type, param), 0, *limits(low, high)))
    number, quantities = _quantities(tenant, shape, indexed)
    ranges += quantities
    for param, latitude, longitude in indexed.positions:
        ranges.append(Range(param_hash(tenant, type, param), 0, latitude, longitude))
    strings = [piece for param, text in indexed.strings for piece in pieces(prefix(tenant, type, param), text)]
    if indexed.composites:
        _composites(tenant, type, indexed, tokens, strings, ranges)
    words = words_of(tenant, type, indexed.narrative) if indexed.narrative else []
    labels = labels_of(tenant, shape, has, indexed)
    return Row(
        pat, hot, dlo, dhi, number, has, list(tokens), ident, list(dict.fromkeys(strings)), list(dict.fromkeys(ranges)), words, ix, labels
    )


def local_references(indexed: Indexed) -> list[tuple[str, str, str]]:
    """The references to resources of this store: an absolute URL names a resource of another server, unless it begins as ours do."""
    return indexed.refs


def _presence(tenant: str, shape: Layout, indexed: Indexed, tokens: set[int]) -> int:
    """A bit for each of R4's own parameters; a token for each other one."""
    has, bits = 0, shape.bits
    for param in indexed.params():
        bit = bits.get(param)
        if bit is None:
            tokens.add(present(prefix(tenant, shape.type, param)))
        else:
            has |= bit
    return has


def _references(tenant: str, shape: Layout, indexed: Indexed, tokens: set[int]) -> int | None:
    """Add the references to the tokens, less what the patient column answers, which is returned."""
    pat = None
    for param, type, id in indexed.refs:
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
    for param, system, code in indexed.tokens:
        if param in COLUMNS or (shape.type, param) in UNIONS:
            continue
        start = prefix(tenant, shape.type, param)
        if is_unique(param):
            unique.add(unique_value(start, system, code.lower() if holds_contacts(param) else code))
            continue
        bare, whole, full = codes(start, system, code)
        tokens.add(bare)
        if whole is not None:
            tokens.add(whole)
        if hot is None and param == shape.code:
            hot = full
        else:
            tokens.add(full)
    if indexed.identifiers:
        _identifiers(tenant, shape.type, indexed, tokens, unique)
    for param, system, code in indexed.ref_identifiers:
        unique.add(unique_value(prefix(tenant, shape.type, param + ":identifier"), system, code))
    return hot, list(unique)


def _identifiers(tenant: str, type: str, indexed: Indexed, tokens: set[int], unique: set[tuple[int, int]]) -> None:
    """Values to the ident table; whose they are (their systems) to the tokens."""
    for param, system, value in indexed.identifiers:
        start = prefix(tenant, type, param)
        if is_unique(param):
            unique.add(unique_value(start, system, value))
            if system:
                tokens.add(token(start, system, ""))
        else:
            tokens.update(each for each in codes(start, system, value) if each is not None)
    for param, system, kind, value in indexed.identifier_types:
        unique.add(typed_value(prefix(tenant, type, param), system or "", kind, value))


def _uris(tenant: str, type: str, indexed: Indexed, tokens: set[int]) -> None:
    for param, uri in indexed.uris:
        start = prefix(tenant, type, param)
        tokens.add(h64(start + uri))
        if not param.startswith("_"):
            tokens.update(below(start, folder) for folder in folders(uri))


def _dates(tenant: str, shape: Layout, indexed: Indexed) -> tuple[int | None, int | None, list[Range]]:
    """The hot date (low, high), and the ranges of every other date parameter."""
    low = high = UNDATED if shape.date else None
    ranges: list[Range] = []
    for param, first, last in indexed.dates:
        if param == shape.date:
            low, high = micros(first), micros(last)
        elif param not in COLUMNS:
            ranges.append(Range(param_hash(tenant, shape.type, param), 0, float(micros(first)), float(micros(last))))
    return low, high, ranges


def _quantities(tenant: str, shape: Layout, indexed: Indexed) -> tuple[Number, list[Range]]:
    """The hot number, and the ranges of every other quantity."""
    hot: list[list[Range]] = []
    ranges: list[Range] = []
    for param, low, high, system, code, unit in indexed.quantities:
        if (shape.type, param) in UNIONS:
            continue
        rows = list(quantity_rows(prefix(tenant, shape.type, param), low, high, system, code, unit))
        if param == shape.number:
            hot.append(rows)
        else:
            ranges += rows
    number, others = number_of(hot)
    return number, others + ranges


def _composites(tenant: str, type: str, indexed: Indexed, tokens: set[int], strings: list[tuple[int, str]], ranges: list[Range]) -> None:
    """What is found together: hashed parts become one key; the first part that has an order is laid out under that key."""
    for param, parts in indexed.composites:
        if (type, param) in UNIONS:
            continue
        keys = [prefix(tenant, type, param)]
        ordered: Indexed | None = None
        for part in parts:
            if ways := pair_ways(part):
                keys = [key + PAIR + way for key in keys for way in ways]
            elif ordered is None:
                ordered = part
            if len(keys) > _MOST_PAIRS:
                raise Problem("too-costly", "one element has too many codes and values to be found together", at=type)
        for key in keys:
            if ordered is None:
                tokens.add(h64(key))
            else:
                _ordered_rows(key, ordered, strings, ranges)


def pair_ways(part: Indexed) -> list[str]:
    """How the hashed values of a composite's part may be asked for; none when it is a part that has an order."""
    ways: dict[str, None] = {}
    for _, system, code in (*part.tokens, *part.identifiers):
        cased = same_case(system, code)
        ways[cased] = ways[pair_key("", system or "", cased)] = None
    for _, type, id in part.refs:
        ways[f"{type}/{id}"] = None
    for _, text in (*part.ref_urls, *part.uris):
        ways[text] = None
    return list(ways)


def _ordered_rows(key: str, part: Indexed, strings: list[tuple[int, str]], ranges: list[Range]) -> None:
    number = h64(key)
    strings += [piece for _, text in part.strings for piece in pieces(key, text)]
    ranges += [Range(number, 0, float(micros(first)), float(micros(last))) for _, first, last in part.dates]
    ranges += [Range(number, 0, *limits(*ends)) for _, *ends in part.numbers]
    for _, low, high, system, code, unit in part.quantities:
        ranges += quantity_rows(key, low, high, system, code, unit)


def micros(moment: datetime) -> int:
    """Microseconds since 1970: exact as a double, too."""
    return (moment - _EPOCH) // _MICROSECOND
