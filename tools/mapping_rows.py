"""The pages that list every mapping row of the package: what HL7 published, what became of it, and who answers for what we decided."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from penstock.convert import rows
from penstock.convert.rows import Row, normal

KINDS = ("messages", "segments", "datatypes")
GRADES = {
    "as published": "taken as HL7 wrote it",
    "normalised": "taken as HL7 means it: its condition, or the name of a map or table, is spelled otherwise than in HL7's own grammar",
    "erratum": "corrected: HL7 slipped",
    "decided": "left to people, or not fit for what we store: our answer",
    "function": "its map is a function, because no row can say it",
    "added": "a row of ours",
    "not mapped": "fills nothing: HL7 gives it no target, or we decided against it",
    "grammar": "says only where the segment or group stands in the message",
}
HEADING = ("| row | v2 | grade | from | fills | what we decided, and who answers for it |", "|---|---|---|---|---|---|")
LAYERS = (*rows.LAYERS, rows.MESSAGE)
#: HL7's published grammar for conditions, in one expression for one test
TEST = r"""[A-Z][A-Z0-9]{1,2}[-.][0-9.]+ (?:IS )?(?:(?:NOT )?VALUED|(?:NOT )?EQUALS? "[^"]*"|(?:NOT )?IN \((?:"[^"]*",? ?)+\))"""
PUBLISHED = re.compile(rf"(?:IF )?\(*{TEST}\)*(?: (?:AND|OR) \(*{TEST}\)*)*$")


class Said(NamedTuple):
    """What one line of a layer says of a row."""

    layer: str
    reason: str
    owner: str


class Told(NamedTuple):
    """One line of a page."""

    row: Row
    grade: str
    layer: str
    reason: str
    owner: str


@cache
def said() -> Mapping[str, list[Said]]:
    """Everything that the layers say of each row, in their order; `PID[Patient]:19#*` is said of each row that it begins."""
    found: dict[str, list[Said]] = {}
    for layer in LAYERS:
        for _, text in rows.texts(layer):
            for line in csv.DictReader(text.splitlines()) if rows.is_map(text) else ():
                rule = line["rule"].strip()
                one = Said(layer, (line.get("reason") or "").strip(), (line.get("owner") or "").strip())
                begun = [known for known in found if known.startswith(rule[:-1])] if rule.endswith("*") else [rule]
                for known in begun:
                    found.setdefault(known, []).append(one)
    return found


@cache
def named() -> frozenset[str]:
    """The exact names of all maps and code tables."""
    tables = rows.collect(message=True)
    return frozenset((*tables.segments, *tables.datatypes, *(row["table"] for row in rows.table("ig", "codes"))))


def owner_of(map: str) -> str:
    """Who answers for a row that names no owner, by the map that it stands in."""
    owners = [(line["begins"], line["owner"]) for line in rows.table("decisions", "owners")]
    return max((begins, owner) for begins, owner in owners if map.startswith(begins))[1]


def tell(row: Row) -> Told:
    """The grade of a row, the layer that it is from, and what we decided."""
    lines = said().get(row.rule, [Said("ig", "", "")])
    last = lines[-1]
    reason = last.reason if last.layer != "ig" else ""
    owner = (last.owner or owner_of(row.map)) if reason else ""
    functions = {normal(line["map"]): line["reason"] for line in rows.table("decisions", "functions")}
    if normal(row.map) in functions:
        return Told(row, "function", last.layer, functions[normal(row.map)], owner_of(row.map))
    if not row.target and row.type.startswith(("begin ", "end ", "segment ")) and not reason:
        return Told(row, "grammar", last.layer, "", "")
    if row.type.startswith("segment ") and last.layer != rows.MESSAGE and (kept := unstored(row.target)):
        return Told(row, "not mapped", last.layer, kept, owner_of(row.map))
    if not row.target or row.target == "?extension" or row.condition.upper().removeprefix("IF ").strip() == "NEVER":
        return Told(row, "not mapped", last.layer, reason or unmapped(row), owner)
    return Told(row, graded(row, lines), last.layer, reason, owner)


def unstored(target: str) -> str:
    """Why a resource type is not stored, or told of the message once for every structure (the map `*`)."""
    reasons = {line["type"]: line["reason"] for line in rows.table("decisions", "resources") if line["stored"] != "yes"}
    return reasons.get(re.split(r"[\[.]", target)[0], "")


def unmapped(row: Row) -> str:
    return "HL7 proposes an extension that does not exist yet" if row.target == "?extension" else ""


def graded(row: Row, lines: Sequence[Said]) -> str:
    if lines[0].layer != "ig":
        return "added"
    if lines[-1].layer == "errata":
        return "erratum"
    if lines[-1].layer != "ig":
        return "decided"
    exact = (not row.using or row.using in named()) and (not row.vocabulary or row.vocabulary in named())
    return "as published" if exact and (not row.condition or PUBLISHED.match(row.condition)) else "normalised"


@cache
def told(kind: str) -> Mapping[str, list[Told]]:
    """Every row of one kind of map, by map."""
    return {name: [tell(row) for row in members] for name, members in getattr(rows.collect(message=True), kind).items()}


def summary_page() -> str:
    counts = {kind: Counter(one.grade for members in told(kind).values() for one in members) for kind in KINDS}
    total = sum((counts[kind] for kind in KINDS), Counter[str]())
    lines = [
        "# Mapping rows",
        "",
        "Generated by `make docs` from the tables of `penstock.convert`: each row that turns HL7 v2 into FHIR, its grade,",
        "and what we decided. What the rows mean is in [mapping](mapping.md). HL7's rows are those of hl7.fhir.uv.v2mappings 1.0.0",
        "(CC0-1.0; see NOTICE), without their prose.",
        "",
        "| grade | messages | segments | data types | all | meaning |",
        "|---|---|---|---|---|---|",
        *(
            f"| {grade} | {' | '.join(str(counts[kind][grade]) for kind in KINDS)} | {total[grade]} | {text} |"
            for grade, text in GRADES.items()
        ),
        f"| all | {' | '.join(str(counts[kind].total()) for kind in KINDS)} | {total.total()} | |",
        "",
        f"Maps: {', '.join(f'{len(told(kind))} [{title(kind)}](mapping-rows-{kind}.md)' for kind in KINDS)};"
        f" code tables: {len({line['table'] for line in rows.table('ig', 'codes')})} of HL7 and those of `codes/`.",
    ]
    return "\n".join(lines) + "\n"


def title(kind: str) -> str:
    return "data types" if kind == "datatypes" else kind


def kind_page(kind: str) -> str:
    lines = [
        f"# Mapping rows: {title(kind)}",
        "",
        "Generated by `make docs`; the grades are explained in [mapping rows](mapping-rows.md). A row's id is map and first column.",
    ]
    for name, members in told(kind).items():
        lines += [
            "",
            f"## {name}",
            "",
            "| row | v2 | grade | from | fills | what we decided, and who answers for it |",
            "|---|---|---|---|---|---|",
        ]
        lines += map(line, members)
    return "\n".join(lines) + "\n"


def line(one: Told) -> str:
    decided = f"{one.reason} ({one.owner})" if one.reason and one.owner else one.reason
    cells = (one.row.rule.partition(":")[2], one.row.type, one.grade, one.layer, shown(one.row.target), decided)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def shown(target: str) -> str:
    return f"`{target}`" if target and target != "?extension" else ""


def pages() -> Iterator[tuple[str, Callable[[], str]]]:
    yield "mapping-rows.md", summary_page
    yield "mapping-rows-messages.md", lambda: kind_page("messages")
    yield "mapping-rows-segments.md", lambda: kind_page("segments")
    yield "mapping-rows-datatypes.md", lambda: kind_page("datatypes")


PAGES = dict(pages())
