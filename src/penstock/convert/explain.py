"""Rule by rule, what a message did: which rule read which place and wrote which element, and why the others did not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from penstock.convert import engine
from penstock.convert.asking import holds
from penstock.convert.builtins import EMPTY
from penstock.convert.compiled import Plan, Structure
from penstock.convert.engine import Converted
from penstock.convert.rule import position as field_number
from penstock.convert.run import Context, Run
from penstock.formats.hl7v2 import Message


class Explained(NamedTuple):
    """One rule at one place of the message. `outcome` is fired, not valued, condition, not mapped or refused; `why` is for people."""

    source: str
    rule: str
    target: str
    outcome: str
    why: str = ""


def explain(message: Message, structure: Structure, plan: Plan, context: Context) -> list[Explained]:
    """Segment by segment in the order of the message: what fired with its element, then what did not, then what was left over."""
    converted = engine.convert(message, structure, plan, context)
    run, moves, _ = engine.run_plan(message, structure, plan, context)
    steps: list[Explained] = []
    for place, move in enumerate(moves):
        sid = run.sids[place]
        steps.extend(fired(converted, sid))
        if move is not None:
            rows = structure.steps.get(move.node.number, ())
            check = structure.checks.get(move.node.number)
            held = check(run, run.segments[place].fields, place) if check is not None else (True,) * len(rows)
            for step, holding in zip(rows, held, strict=True):
                if not holding:
                    steps.append(Explained(sid, step.rule, step.type, "condition", step.condition))
                else:
                    steps.extend(unfired(run, plan, converted, step.map, place))
        steps.extend(left(converted, sid))
    return steps


def belongs(source: str, sid: str) -> bool:
    return source == sid or source.startswith(f"{sid}-")


def fired(converted: Converted, sid: str) -> Iterator[Explained]:
    for resource, path, rule, source in converted.lineage:
        if belongs(source, sid):
            type = converted.resources[resource]["resourceType"]
            yield Explained(source, rule, f"{type}.{path}" if path else type, "fired")


def left(converted: Converted, sid: str) -> Iterator[Explained]:
    for source, reason in converted.remainder:
        if belongs(source, sid):
            yield Explained(source, "", "", "not mapped", reason)


def unfired(run: Run, plan: Plan, converted: Converted, name: str, place: int) -> Iterator[Explained]:
    """The rows of a segment map that wrote nothing, with the reason."""
    fields, sid = run.segments[place].fields, run.sids[place]
    written = {source for _, _, _, source in converted.lineage}
    for row in plan.tables.segments[name]:
        number = field_number(row.source)
        if not row.target or row.target == "?extension" or not number:
            continue
        at = f"{sid}-{number}"
        if number >= len(fields) or fields[number] in EMPTY:
            yield Explained(at, row.rule, row.target, "not valued")
        elif not holds(row, run, fields, place):
            yield Explained(at, row.rule, row.target, "condition", row.condition)
        elif not any(source == at or source.startswith((f"{at}.", f"{at}[")) for source in written):
            yield Explained(at, row.rule, row.target, "refused", run.notes.get(at, "nothing usable was in it"))
