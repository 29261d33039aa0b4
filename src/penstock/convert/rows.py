"""The one row schema of every map, and the four layers it is read from: ig, errata, decisions, structures, then the site's overlay.

A row says: this v2 source, when this condition holds, goes to this FHIR target, by this data type map and this code table, or gets this
assignment. A later layer replaces a row by repeating its rule id, and adds one by bringing a new id. An empty target means "not mapped",
and the layer's `reason` says why: it is what the remainder tells.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

from penstock.errors import Problem

LAYERS = ("ig", "errata", "decisions", "structures")
#: a further layer, only where the message itself is told as well (`plan(message=True)`)
MESSAGE = "message"
#: the map of the rows that stand in every message structure
EVERY = "*"
KINDS = ("segments", "datatypes", "messages")
AFTER = "after "
#: v2 data types of fields that name a concept
CODED = frozenset({"CWE", "CE", "CNE", "CF", "IS", "ID"})


class Row(NamedTuple):
    """One mapping rule. `rule` is `<map>:<position>#<count>`; `type` is the v2 data type, or the syntax in a message map."""

    rule: str
    source: str = ""
    type: str = ""
    condition: str = ""
    target: str = ""
    using: str = ""
    vocabulary: str = ""
    assign: str = ""
    reason: str = ""

    @property
    def map(self) -> str:
        return self.rule.partition(":")[0]


class Tables(NamedTuple):
    """All rows by kind and map, the code tables, and a hash over everything."""

    segments: Mapping[str, list[Row]]
    datatypes: Mapping[str, list[Row]]
    messages: Mapping[str, list[Row]]
    version: str


def normal(name: str) -> str:
    """Names of maps and code tables are compared without case, blanks, slashes and hyphens: the tables spell them in several ways."""
    return "".join(c for c in name.lower() if c not in " /-\u00a0")


def read_rows(text: str) -> list[Row]:
    return [
        Row(**{name: (value or "").strip() for name, value in line.items() if name in Row._fields})
        for line in csv.DictReader(text.splitlines())
        if (line.get("rule") or "").strip()
    ]


def home() -> Traversable:
    return files(__package__)


def texts(layer: str) -> list[tuple[str, str]]:
    """The CSV files of one layer, by name."""
    entries = sorted((entry for entry in home().joinpath(layer).iterdir() if entry.name.endswith(".csv")), key=lambda entry: entry.name)
    return [(entry.name.removesuffix(".csv"), entry.read_text(encoding="utf-8")) for entry in entries]


def kind_of(name: str, row: Row) -> str:
    """Which kind of map a row belongs to: a message map has a syntax in its type, the others are told by the file they stand in."""
    if row.type.startswith(("segment ", "begin ", "end ")):
        return "messages"
    return "datatypes" if "datatypes" in name else "segments"


@cache
def shipped(message: bool = False) -> tuple[tuple[str, Row], ...]:
    """Every row of the layers that the package ships, with its kind, in the order of the layers."""
    layers = (*LAYERS, MESSAGE) if message else LAYERS
    return tuple((kind_of(name, row), row) for layer in layers for name, text in texts(layer) if is_map(text) for row in read_rows(text))


def is_map(text: str) -> bool:
    return text.startswith("rule,")


def collect(overlay: Sequence[Row] = (), *, message: bool = False) -> Tables:
    """Lay the layers over each other, the site's rows last."""
    known: dict[str, tuple[str, Row]] = {}
    digest = hashlib.sha256()
    for kind, row in (*shipped(message), *((overlay_kind(row), row) for row in overlay)):
        lay(known, kind, row)
        digest.update("\x1f".join(row).encode())
    for name, text in (*texts("codes"), *texts("ig")):
        digest.update(name.encode() + text.encode())
    segments, datatypes, messages = (grouped(kind, known.values()) for kind in KINDS)
    return Tables(segments, datatypes, messages, digest.hexdigest()[:16])


def effective(overlay: Sequence[Row] = ()) -> list[tuple[str, Row]]:
    """Every row that holds in the end, with the layer that says so last: ig, errata, decisions, structures or site."""
    layers = [(layer, row) for layer in LAYERS for _, text in texts(layer) if is_map(text) for row in read_rows(text)]
    known: dict[str, tuple[str, Row]] = {}
    for layer, row in (*layers, *(("site", row) for row in overlay)):
        touched = [rule for rule in known if rule.startswith(row.rule[:-1])] if row.rule.endswith("*") else [row.rule]
        lay(known, layer, row)
        known.update({rule: (layer, known[rule][1]) for rule in touched})
    return list(known.values())


def versioned(version: str, codes: Iterable[tuple[str, ...]]) -> str:
    """The version of tables under a site's code tables."""
    lines = ["\x1f".join(row) for row in codes]
    return hashlib.sha256("\x1e".join([version, *lines]).encode()).hexdigest()[:16] if lines else version


def lay(known: dict[str, tuple[str, Row]], kind: str, row: Row) -> None:
    """Put a row over the earlier ones. `PID[Patient]:19#*` without a target switches off every row that it begins."""
    if not row.rule.endswith("*"):
        earlier = known.get(row.rule)
        if earlier is not None:
            row = over(row, earlier[1])
        known[row.rule] = (earlier[0] if earlier else kind, row)
        return
    for rule, (earlier_kind, one) in list(known.items()):
        if rule.startswith(row.rule[:-1]):
            known[rule] = (earlier_kind, one._replace(condition="", target="", reason=row.reason))


def over(row: Row, earlier: Row) -> Row:
    """A correction: `=` and an empty source or type keep what the earlier layer says."""
    kept = {name: getattr(earlier, name) for name in ("condition", "target", "using", "vocabulary", "assign") if getattr(row, name) == "="}
    return row._replace(source=row.source or earlier.source, type=row.type or earlier.type, **kept)


def overlay_kind(row: Row) -> str:
    if row.type.startswith(("segment ", "begin ", "end ")):
        return "messages"
    return "datatypes" if "." in row.source and "-" not in row.source else "segments"


def grouped(kind: str, rows: Iterable[tuple[str, Row]]) -> dict[str, list[Row]]:
    maps: dict[str, list[Row]] = {}
    for row_kind, row in rows:
        if row_kind == kind:
            members = maps.setdefault(row.map, [])
            members.insert(place(members, row), row)
    return maps


def place(members: Sequence[Row], row: Row) -> int:
    """Where a row stands in its map: at the end, or after the one that a message row names in its vocabulary (`after <rule id>`)."""
    if not row.vocabulary.startswith(AFTER):
        return len(members)
    wanted = row.vocabulary.removeprefix(AFTER)
    found = next((number for number, one in enumerate(members, 1) if one.rule == wanted), 0)
    if not found:
        raise Problem("structure", "this row stands after a row that is not there", at=row.rule)
    while found < len(members) and members[found].vocabulary == row.vocabulary:
        found += 1
    return found


def table(folder: str, name: str) -> list[dict[str, str]]:
    """One small CSV of the package that is not a map: code systems, defaults, identifier preferences, merge policies."""
    text = home().joinpath(folder, f"{name}.csv").read_text(encoding="utf-8")
    rows = [{key: (value or "").strip() for key, value in line.items()} for line in csv.DictReader(text.splitlines())]
    if not rows:
        raise Problem("exception", "a table of the package is empty", at=f"{folder}/{name}")
    return rows
