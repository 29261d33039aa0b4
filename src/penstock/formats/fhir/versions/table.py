"""What of R4 does not carry over to another version, and where the rules put it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec
import zstandard

from penstock.formats.fhir.definitions import r4

FOLDER = Path(__file__).parent

#: The versions that resources can be had in beside R4 (4.0), as the fhirVersion parameter names them.
VERSIONS = ("3.0", "4.3", "5.0")

#: A statement of what this server does is about the version that it serves.
_NOT_MAPPED = frozenset(("CapabilityStatement", "TerminologyCapabilities"))


class Rule(NamedTuple):
    """Where an element goes: a path such as ``reason[].concept``, None for nowhere; and which codes become others."""

    to: str | None
    codes: dict[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """One other version. ``lost`` has the codes that are not allowed any more, or None where the property itself is not."""

    version: str
    lost: dict[str, dict[str, frozenset[str] | None]]
    needs: dict[str, tuple[str, ...]]
    gone: frozenset[str]
    rules: dict[str, dict[str, Rule]]


@cache
def table(version: str) -> Table:
    """The table of a version of :data:`VERSIONS`."""
    packed = (FOLDER / "differences.json.zst").read_bytes()
    lost, needs, gone = msgspec.json.decode(zstandard.ZstdDecompressor().decompress(packed))[version]
    return Table(
        version,
        {owner: {name: None if codes is None else frozenset(codes) for name, codes in names.items()} for owner, names in lost.items()},
        {owner: tuple(names) for owner, names in needs.items()},
        frozenset(gone),
        _rules(FOLDER / f"rules-{version}.csv"),
    )


def _rules(file: Path) -> dict[str, dict[str, Rule]]:
    rules: dict[str, dict[str, Rule]] = {}
    if file.exists():
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                codes = dict(pair.split("=") for pair in row["codes"].split())
                rules.setdefault(row["type"], {})[row["element"]] = Rule(row["to"] or None, codes)
    return rules


@cache
def mapped(version: str) -> tuple[str, ...]:
    """The resource types that can be had in a version: those of which nothing is lost, and those that have rules."""
    found = table(version)
    with_rules = {owner.partition(".")[0] for owner in found.rules}
    differ = {owner.partition(".")[0] for owner in (*found.lost, *found.needs)}
    types = r4().resource_types - found.gone - _NOT_MAPPED
    return tuple(sorted(type for type in types if type in with_rules or type not in differ))
