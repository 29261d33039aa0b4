"""What a message says that became no element, with the reason: every valued leaf is in the lineage or here (DESIGN invariant 4)."""

from __future__ import annotations

import re
from collections.abc import Container, Hashable
from typing import TYPE_CHECKING

from penstock.convert.asking import holds
from penstock.convert.memory import Memories, Told
from penstock.convert.rows import CODED, Row
from penstock.convert.run import Resource, Run
from penstock.formats.hl7v2.message import NULL

if TYPE_CHECKING:
    from penstock.convert.compiled import Plan, Structure
    from penstock.convert.grammar import Move

ADMINISTRATIVE = "administrative: kept with the message"
DATE = re.compile(r"(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])([0-2][0-9][0-5][0-9]([0-5][0-9])?)?$")
HEADS = frozenset({"MSH", "EVN", "SFT", "UAC", "DSC", "MSA"})
NOTHING: frozenset[int] = frozenset()
CENTURIES = ("19", "20")
TAIL = re.compile(r"-([0-9]+)")


def account(run: Run, structure: Structure, plan: Plan, moves: list[Move | None], kept: Container[int]) -> list[tuple[str, str]]:
    """What is left over; of what was made only the resources that are ``kept`` count."""
    used = {source for number, _, _, source in run.lineage if number in kept}
    settled: dict[str, frozenset[int]] = {}
    for number, sid, said in run.said:
        if number not in kept:
            continue
        settled[sid] = settled[sid] | said.used if sid in settled else said.used
        if said.partly:
            used.update(sid + tail for tail in said.partly)
    rest: list[tuple[str, str]] = []
    for position, move in enumerate(moves):
        segment, sid = run.segments[position], run.sids[position]
        if move is None:
            rest.append((sid or f"segment {segment.index}", unknown(segment.name)))
            continue
        if move.strayed:
            rest.append((sid, "out of order: read where the structure knows it"))
        reasons = field_reasons(plan, structure, move.node.number, run.held.get(position, ()), segment.name)
        if run.skipped.get(position):
            reasons = Reasons({}, run.skipped[position], set(), reasons.types)
        start, done = sid + "-", settled.get(sid, NOTHING)
        ahead = 3 if segment.name == "MSH" else 1  # the name, and the delimiters themselves
        for number, raw in enumerate(segment.fields[ahead:], ahead):
            if not raw or number in done:
                continue
            source = f"{start}{number}"
            if source in used:
                continue
            plain = reasons.plain.get(number)
            if plain is None and number in reasons.codes and raw.isalnum() and raw[:2] not in CENTURIES:
                plain = reasons.codes[number]
            if plain and raw != NULL and not run.notes:
                rest.append((source, plain))
            elif not components_used(run, raw, source, used):
                reason, type = reasons.of(number)
                if number in reasons.unless and not touched(source, used):
                    reason = next((row.reason for row in reasons.unless[number] if holds(row, run, segment.fields, position)), reason)
                leftover(run, raw, source, used, rest, reason, type)
    told = {source for source, _ in rest} | used if run.forgotten else ()
    rest += [(source, run.notes[source]) for source in dict.fromkeys(run.forgotten) if source not in told]
    return rest


def touched(source: str, used: set[str]) -> bool:
    """Whether anything of a field was used."""
    return any(place == source or place.startswith((f"{source}.", f"{source}[")) for place in used)


def remember_fields(
    run: Run, told: Told, key: Hashable, begun: tuple[int, ...], names: tuple[str, ...], me: int, out: Resource, sid: str, texts: list[str]
) -> None:
    """Keep what the fields of a segment became together, and of which of them nothing is left over: then nobody needs to look again."""
    if sum(map(len, texts)) > Memories.LONGEST:
        return
    run.remember(told, key, begun, names, me, out, sid)
    said = told[key]
    if said:
        tails = {tail for _, _, tail in said.ways}
        used = frozenset(number for number, raw in enumerate(texts) if raw and all_used(run, raw, f"-{number}", tails))
        partly = tuple(tail for tail in sorted(tails) if field_of(tail) not in used)
        told[key] = said._replace(used=used, partly=partly)


def field_of(tail: str) -> int:
    found = TAIL.match(tail)
    return int(found[1]) if found else 0


def all_used(run: Run, raw: str, source: str, used: set[str]) -> bool:
    rest: list[tuple[str, str]] = []
    if source not in used:
        leftover(run, raw, source, used, rest, "", "")
    return not rest


def components_used(run: Run, raw: str, source: str, used: set[str]) -> bool:
    """The frequent case in a few steps: a field without repetitions and subcomponents of which each component was used."""
    if run.C not in raw or run.R in raw or run.T in raw:
        return False
    valued = False
    for number, component in enumerate(raw.split(run.C), 1):
        if component:
            valued = True
            if f"{source}.{number}" not in used:
                return False
    return valued


def unknown(name: str) -> str:
    if not name:
        return "this line begins with no segment name"
    return "undeclared Z segment" if name.startswith("Z") else "the structure does not know this segment"


def leftover(run: Run, raw: str, source: str, used: set[str], rest: list[tuple[str, str]], reason: str, type: str) -> None:
    """The leaves of one field that nothing used."""
    repeated = run.R in raw
    for r, one in enumerate(raw.split(run.R) if repeated else (raw,), 1):
        at = f"{source}[{r}]" if repeated else source
        if not one or at in used:
            continue
        if run.C not in one and run.T not in one:
            if f"{at}.1" in used or f"{at}.1.1" in used:
                continue
            rest.append((at, run.notes.get(at) or run.notes.get(at + ".1") or run.notes.get(at + ".1.1") or explain(one, reason, type)))
            continue
        if reason:
            rest.append((at, run.notes.get(at) or explain(one, reason, type)))
            continue
        for c, component in enumerate(one.split(run.C), 1):
            if component and (place := f"{at}.{c}") not in used:
                parts(run, component, at, place, used, rest)


def parts(run: Run, component: str, at: str, place: str, used: set[str], rest: list[tuple[str, str]]) -> None:
    """The leaves of one component that nothing used."""
    if run.T not in component:
        if place + ".1" not in used:
            rest.append((place, run.notes.get(place) or run.notes.get(place + ".1") or run.notes.get(at) or why(component)))
        return
    for s, part in enumerate(component.split(run.T), 1):
        if part and f"{place}.{s}" not in used:
            rest.append((f"{place}.{s}", run.notes.get(f"{place}.{s}") or run.notes.get(place) or run.notes.get(at) or why(part)))


def why(value: str) -> str:
    return "an HL7 null inside a field deletes nothing" if value == NULL else "no rule for this component fired"


def explain(value: str, reason: str, type: str) -> str:
    if value == NULL:
        return "an HL7 null of something that is not mapped"
    if type in CODED and value[:2] in CENTURIES and DATE.match(value):
        return "drift: a date stands where the standard has a code; it is not mapped"
    return reason or "the condition of no rule for this field held"


def field_reasons(plan: Plan, structure: Structure, node: int, held: tuple[bool, ...], segment: str) -> Reasons:
    """For each field without a target in the maps that the segment was given to: why. Given to none, in all maps of the node."""
    key = (structure.name, node, held)
    found: Reasons | None = plan.reasons.get(key)
    if found is None:
        steps = structure.steps.get(node, ())
        maps = [step.map for step, holds in zip(steps, held, strict=False) if holds] or [step.map for step in steps]
        said = "" if maps else next((row.reason for row in structure.grammar.nodes[node].rows if row.reason), "")
        found = plan.reasons[key] = reasons_of([row for name in maps for row in plan.tables.segments.get(name, ())], segment, said)
    return found


class Reasons(dict[int, str]):
    """A field that no row knows at all has a reason too."""

    def __init__(
        self, found: dict[int, str], otherwise: str, mapped: set[int], types: dict[int, str], unless: dict[int, list[Row]] | None = None
    ) -> None:
        super().__init__(found)
        self.otherwise, self.mapped, self.types = otherwise, mapped, types
        self.known: dict[int, tuple[str, str]] = {}
        #: why a field that has a target may not be used after all: rows of it with a condition and a reason, and without a target
        self.unless = unless or {}
        #: fields without a target of which nothing more can be said; and those where only a date would be worth a word
        self.plain = {number: self.get(number) for number in types if number not in mapped and types[number] not in CODED}
        self.codes = {number: self.get(number) for number in types if number not in mapped and types[number] in CODED}

    def of(self, number: int) -> tuple[str, str]:
        """Why a field has no target ("" where it has one), and its type."""
        if number not in self.known:
            self.known[number] = self.get(number, ""), self.types.get(number, "")
        return self.known[number]

    def get(self, number: int, default: str = "") -> str:  # type: ignore[override] # there is always a reason, never None
        if number in self.mapped:
            return default
        return super().get(number) or self.otherwise


def reasons_of(rows: list[Row], segment: str, said: str = "") -> Reasons:
    """`said` is what the message map says of a segment that it maps to nothing."""
    mapped: set[int] = set()
    reasons: dict[int, str] = {}
    types: dict[int, str] = {}
    unless: dict[int, list[Row]] = {}
    for row in rows:
        tail = row.source.partition("-")[2]
        if not tail.isdigit():
            continue
        number = int(tail)
        types.setdefault(number, row.type)
        if row.target and row.target != "?extension":
            mapped.add(number)
        elif row.reason:
            reasons[number] = row.reason
            if row.condition:
                unless.setdefault(number, []).append(row)
        elif row.target == "?extension":
            reasons.setdefault(number, "HL7 proposes an extension that does not exist yet")
    otherwise = said or (
        ADMINISTRATIVE if segment in HEADS else "the tables give this field no target" if rows else "the tables give this segment no target"
    )
    return Reasons(reasons, otherwise, mapped, types, unless)
