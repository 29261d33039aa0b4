"""Where in a hospital: PL and the location in NDL name up to six levels, of which each becomes a Location within the next coarser one."""

from __future__ import annotations

from typing import NamedTuple

from penstock.convert import codes
from penstock.convert.primitives import string
from penstock.convert.rows import table
from penstock.convert.run import Resource, Run, pick

PHYSICAL = "http://terminology.hl7.org/CodeSystem/location-physical-type"
UNIVERSAL = "http://terminology.hl7.org/CodeSystem/v2-0301"


class Level(NamedTuple):
    """`component` is the place of the level in the data type; code and display are of the FHIR code system of physical types."""

    component: int
    code: str
    display: str


def levels(column: str) -> tuple[Level, ...]:
    """From the most granular to the coarsest."""
    return tuple(Level(int(row[column]), row["code"], row["display"]) for row in table("codes", "location-levels"))


PL, NDL = levels("PL"), levels("NDL")


def location(run: Run, me: int, raw: str, delim: str, out: Resource, at: str, src: str) -> None:
    """PL: `out` becomes the most granular location that is named; the coarser ones are chained by partOf (IG, PV1-3)."""
    chain(run, me, raw, delim, out, src, "PL", PL)


def person_location(run: Run, me: int, raw: str, delim: str, out: Resource, at: str, src: str) -> None:
    """NDL from its fourth component on: where the person did it."""
    chain(run, me, raw, delim, out, src, "NDL", NDL)


def chain(run: Run, me: int, raw: str, delim: str, out: Resource, src: str, name: str, all_levels: tuple[Level, ...]) -> None:
    parts = raw.split(delim)
    named = [(level, text) for level in all_levels if (text := string(run, run.text(pick(parts, level.component)), src))]
    node, number = out, me
    for place, (level, text) in enumerate(named):
        leaf, rule = f"{src}.{level.component}", f"{name}[Location]:{level.component}#1"
        fill(run, number, node, level, pick(parts, level.component), text, rule, leaf)
        run.instances[number].key = "/".join((run.facility, *(f"{one.code}:{said}" for one, said in reversed(named[place:]))))
        if place + 1 < len(named):
            parent = run.new("Location", source=src)
            part_of: Resource = {}
            node["partOf"] = part_of
            run.refer(number, part_of, "partOf.", parent, rule, leaf)
            node, number = parent.body, parent.number


def fill(run: Run, number: int, node: Resource, level: Level, raw: str, text: str, rule: str, leaf: str) -> None:
    """One level: its HD names it and may have a universal id."""
    parts = [run.text(part) for part in raw.split(run.T)]
    identifiers = node.setdefault("identifier", [])
    universal(run, number, parts, identifiers, rule, leaf)
    identifiers.append({"value": text})
    node["status"] = "active"
    node["name"] = text
    node["mode"] = "instance"
    node["physicalType"] = {"coding": [{"system": PHYSICAL, "code": level.code, "display": level.display}]}
    first = f"{leaf}.1" if len(parts) > 1 else leaf
    for name in (f"identifier[{len(identifiers) - 1}].value", "status", "name", "mode", "physicalType.coding[0].code"):
        run.lineage.append((number, name, rule, first))


def universal(run: Run, number: int, parts: list[str], identifiers: list[Resource], rule: str, leaf: str) -> None:
    """The universal id of an HD beside its namespace."""
    uid, kind = pick(parts, 2), pick(parts, 3)
    if not uid or uid == '""':
        return
    at = f"identifier[{len(identifiers)}]."
    known = codes.universal(uid)
    identifiers.append({"system": "urn:ietf:rfc:3986", "value": known} if known else {"value": uid})
    run.lineage += [(number, f"{at}{name}", rule, f"{leaf}.2") for name in identifiers[-1]]
    if kind and kind != '""':
        identifiers[-1]["type"] = {"coding": [{"system": UNIVERSAL, "code": kind}]}
        run.lineage.append((number, f"{at}type.coding[0].code", rule, f"{leaf}.3"))
