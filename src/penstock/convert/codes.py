"""Code tables, names of coding systems and assigning authorities: what a code, a table name or an authority means in FHIR."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from penstock.convert.rows import normal, table, texts

#: names of authorities; then they are forgotten
REMEMBERED = 4096
V2 = "http://terminology.hl7.org/CodeSystem/v2-"
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+$")
UUID = re.compile(r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$")
HL7_TABLE = re.compile(r"(?:HL7|v2-)?-?([0-9]{4})$", re.IGNORECASE)


class CodeRow(NamedTuple):
    """One line of a code table: what a v2 code of that table means. Without a target the code is taken out of the table."""

    table: str
    code: str = ""
    source: str = ""
    target: str = ""
    display: str = ""
    system: str = ""
    reason: str = ""


class Concept(NamedTuple):
    """The standard meaning of a v2 code."""

    code: str
    display: str
    system: str


@dataclass(frozen=True, slots=True)
class CodeTable:
    """One v2 table on its way into FHIR: concepts by v2 code, and the v2 code system that the codes come from."""

    name: str
    source: str
    concepts: Mapping[str, Concept]

    def find(self, code: str) -> Concept | None:
        """Exact first; then without regard to case, because senders write `phone` and `PHONE`."""
        return self.concepts.get(code) or self.concepts.get(code.upper())


@dataclass(frozen=True, slots=True)
class Codes:
    """All tables of a plan, with small memories for the names that one feed repeats in each message."""

    tables: Mapping[str, CodeTable]
    systems: Mapping[str, str]
    authorities: Mapping[str, str]
    memory: dict[tuple[str, ...], str] = field(default_factory=dict)

    def table(self, name: str) -> CodeTable | None:
        return self.tables.get(normal(name))

    def system(self, name: str, own: Mapping[str, str], facility: str) -> tuple[str, bool]:
        """URI of a coding system by its v2 name (table 0396), and whether it is a known one. Local names become `urn:id:` names."""
        if name in own:
            return own[name], True
        known = self.systems.get(name.upper())
        if known is not None:
            return known, True
        found = HL7_TABLE.match(name)
        if found is not None:
            return V2 + found[1], True
        uri = universal(name)
        if uri:
            return uri, True
        local = name.upper() == "L" or name.upper().startswith("99")
        return urn(*((facility, name) if local else (name,))), False

    def authority(self, parts: list[str], own: Mapping[str, str]) -> str:
        """Identifier system of an HD (namespace, universal id, type): the site's table, known ones, OID, UUID, URL, else a urn of ours."""
        namespace, uid, kind = [*parts, "", "", ""][:3]
        for name in (namespace, uid):
            if name in own:
                return own[name]
        found = self.memory.get((namespace, uid, kind))
        if found is None:
            if len(self.memory) >= REMEMBERED:
                self.memory.clear()
            found = self.memory[namespace, uid, kind] = self.named(namespace, uid, kind)
        return found

    def named(self, namespace: str, uid: str, kind: str) -> str:
        for name in (namespace, uid):
            if name.upper() in self.authorities:
                return self.authorities[name.upper()]
        if uid:
            return universal(uid) or urn(*((kind, uid) if kind else (uid,)))
        return universal(namespace) or (urn(namespace) if namespace else "")


def universal(name: str) -> str:
    """A name that is already world-wide: OID, UUID or URI."""
    if OID.match(name):
        return f"urn:oid:{name}"
    if UUID.match(name):
        return f"urn:uuid:{name.lower()}"
    return name if name.startswith(("http://", "https://", "urn:")) and " " not in name else ""


def urn(*names: str) -> str:
    """A stable name of ours for something that has none: `urn:id:` and the sender's words, without what a URI may not hold."""
    return "urn:id:" + ":".join(UNSAFE.sub("-", name.strip()).strip("-") or "unnamed" for name in names)


def read_codes(text: str) -> list[CodeRow]:
    """The lines of a code table written as CSV, with the columns of a CodeRow."""
    lines = csv.DictReader(text.splitlines())
    return [CodeRow(**{name: (line.get(name) or "").strip() for name in CodeRow._fields}) for line in lines if line.get("table")]


@cache
def shipped_codes() -> Codes:
    """The code tables of the package: HL7's, then our own, which win: each file of `codes/` that begins with the column `table`."""
    return codes_of(())


def codes_of(overlay: Sequence[CodeRow]) -> Codes:
    """The code tables of the package with those of a site over them. A Problem for a line that no table can take."""
    concepts: dict[str, dict[str, Concept]] = {}
    sources: dict[str, str] = {}
    names: dict[str, str] = {}
    for row in (*shipped_rows(), *overlay):
        name = normal(row.table)
        names.setdefault(name, row.table)
        found = HL7_TABLE.match(row.source)
        if found is not None:
            sources.setdefault(name, V2 + found[1])
        if not row.code:
            concepts.setdefault(name, {})
        elif row.target:
            concepts.setdefault(name, {})[row.code] = Concept(row.target, row.display, row.system)
        else:
            concepts.setdefault(name, {}).pop(row.code, None)
    return Codes(
        tables={name: CodeTable(names[name], sources.get(name, ""), codes) for name, codes in concepts.items()},
        systems={row["name"].upper(): row["uri"] for row in table("codes", "systems")},
        authorities={row["name"].upper(): row["uri"] for row in table("codes", "authorities")},
    )


@cache
def shipped_rows() -> tuple[CodeRow, ...]:
    fields = CodeRow._fields
    own = [row for name, text in texts("codes") if text.startswith("table,") for row in table("codes", name)]
    every = (*table("ig", "codes"), *own)
    return tuple(CodeRow(**{name: row.get(name, "") for name in fields}) for row in every)
