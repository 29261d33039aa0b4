"""When something is to be done: patterns, durations and intervals of TQ1 and TQ as FHIR Timing (HL7 v2.5.1, 4.3 and 4.5.4; table 0335).

Functions for rows, like those of `builtins`. A pattern becomes its code and, where the standard gives it a meaning, `Timing.repeat`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from penstock.convert.builtins import EMPTY, UCUM, Builtin
from penstock.convert.codes import V2
from penstock.convert.durations import LETTERS, UNITS, Duration, after, duration, in_minutes, lettered
from penstock.convert.memory import Steward
from penstock.convert.primitives import PRIMITIVES
from penstock.convert.rows import table
from penstock.convert.run import Resource, Run, pick

TABLE = V2 + "0335"
GTS = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"
#: R4 value set timing-abbreviation; every other pattern has the code of the v2 table
ABBREVIATIONS = frozenset("BID TID QID AM PM QD QOD Q1H Q2H Q3H Q4H Q6H Q8H BED WK MO".split())
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY = re.compile(r"Q([1-9][0-9]{0,3})(?:-([1-9][0-9]{0,3}))?([SMHDWL])$")
ON_DAYS = re.compile(r"Q([1-9][0-9]?)J([1-7]{1,7})$")
TIMES = re.compile(r"([1-9][0-9]?)ID$")
COUNT = re.compile(r"X([1-9][0-9]{0,5})$")
RULE = "RPT[Timing]:1#1"
NO_UNIT = "this is no amount of a unit of time"


def read_patterns() -> dict[str, Resource]:
    return {
        row["code"]: {
            **({"frequency": int(row["frequency"]), "period": int(row["period"]), "periodUnit": row["unit"]} if row["frequency"] else {}),
            **({"when": [row["when"]]} if row["when"] else {}),
            **({"count": int(row["count"])} if row["count"] else {}),
        }
        for row in table("codes", "repeat-patterns")
    }


PATTERNS = read_patterns()


def repeat_of(code: str) -> Resource | None:
    """`Timing.repeat` of a pattern; empty for a known one that says no numbers, None for an unknown one."""
    code = code.strip().upper()
    if code.startswith("PRN") and len(code) > 3:  # PRNxxx: as needed, at most at the pattern xxx
        code = code.removeprefix("PRN").strip()
    if code in PATTERNS:
        return {name: list(value) if isinstance(value, list) else value for name, value in PATTERNS[code].items()}
    if found := EVERY.match(code):
        most = {"periodMax": int(found[2])} if found[2] else {}
        return {"frequency": 1, "period": int(found[1]), **most, "periodUnit": LETTERS[found[3]]}
    if found := TIMES.match(code):
        return {"frequency": int(found[1]), "period": 1, "periodUnit": "d"}
    if found := ON_DAYS.match(code):
        days = [DAYS[int(day) - 1] for day in dict.fromkeys(found[2])]
        return {"frequency": len(days), "period": int(found[1]), "periodUnit": "wk", "dayOfWeek": days}
    return None


def pattern(run: Run, me: int, raw: str, delim: str, out: Resource, at: str, src: str) -> None:
    """The pattern code, with its text and system where it is a CWE: `Timing.code` and `Timing.repeat`."""
    parts = raw.split(delim)
    text, leaf = run.leaf(parts[0], f"{src}.1" if len(parts) > 1 else src)
    label = run.leaf(pick(parts, 2), "")[0].strip()
    known = repeat_of(text)
    coding = coded(run, text.strip(), label, pick(parts, 3), known is not None)
    concept = {name: value for name, value in (("coding", [coding] if coding else []), ("text", label or text.strip())) if value}
    if not concept:
        return
    out["code"] = concept
    if known:
        out["repeat"] = {**out.get("repeat", {}), **known}
    elif known is None and text.strip():
        run.steward.append(Steward(leaf, coding.get("system", TABLE), text.strip(), "RepeatPattern"))
    rest = [f"{src}.{number}" for number in (2, 3) if pick(parts, number) not in EMPTY]
    log(run, me, at, spots({"code": concept, "repeat": known or {}}), RULE, [leaf] if text else [])
    log(run, me, at, ["code.coding[0].code" if coding else "code.text"], RULE, rest)


def coded(run: Run, code: str, label: str, system: str, known: bool) -> Resource:
    """The coding of a pattern: the standard's for a known one, the sender's where he names his system, else none: a word is a text."""
    if known:
        standard = code.upper()
        return {"system": GTS if standard in ABBREVIATIONS else TABLE, "code": standard}
    name = run.text(system).strip()
    if not code or not (name or label):
        return {}
    named = {"system": run.codes.system(name, run.context.code_systems, run.facility)[0]} if name else {}
    return {**named, "code": " ".join(code.split()), **({"display": label} if label else {})}


def times(run: Run, me: int, raw: str, delim: str, out: Resource, at: str, src: str) -> None:
    """RI.2, `0800,2000`: the times of day. They are more exact than a meal or a part of the day, which R4 has not beside them (tim-10)."""
    text, leaf = run.leaf(raw, src)
    found = [PRIMITIVES["time"](run, one.strip(), leaf) for one in text.split(",") if one.strip()]
    if not found or None in found:
        return
    out["timeOfDay"] = found
    run.lineage.extend((me, f"{at}timeOfDay[{number}]", "RI[Timing]:2#1", leaf) for number in range(len(found)))


def weekdays(run: Run, me: int, raw: str, delim: str, out: Resource, at: str, src: str) -> None:
    """RPT.3 to RPT.4 of the alignment DW: the days from the first to the last one, Monday being 1."""
    parts = raw.split(delim)
    first, last = run.text(pick(parts, 3)), run.text(pick(parts, 4)) or run.text(pick(parts, 3))
    if not all(day in tuple("1234567") for day in (first, last)) or first > last:
        run.note(f"{src}.3", "these are no days of a week")
        return
    out["dayOfWeek"] = list(DAYS[int(first) - 1 : int(last)])
    log(
        run,
        me,
        at,
        spots({"dayOfWeek": out["dayOfWeek"]}),
        "RPT[Timing]:0#1",
        [f"{src}.{number}" for number in (2, 3, 4) if pick(parts, number) not in EMPTY],
    )


def spots(node: Any, at: str = "") -> list[str]:
    """The path of each leaf of what was made."""
    if isinstance(node, dict):
        return [spot for name, value in node.items() for spot in spots(value, f"{at}.{name}" if at else name)]
    if isinstance(node, list):
        return [spot for number, value in enumerate(node) for spot in spots(value, f"{at}[{number}]")]
    return [at]


def log(run: Run, me: int, at: str, names: Iterable[str], rule: str, sources: Iterable[str]) -> None:
    run.lineage.extend((me, at + name, rule, source) for source in sources for name in names)


def measured(run: Run, raw: str, delim: str, src: str) -> tuple[Duration | None, list[str]]:
    """CQ, or the letters of TQ.3, and the source paths of what was read. What is neither is noted; a count (`X5`) is not."""
    parts = raw.split(delim)
    amount, leaf = run.leaf(parts[0], f"{src}.1" if len(parts) > 1 else src)
    word, unit = run.leaf(pick(parts, 2), f"{src}.2")
    found = lettered(amount) if not word else duration(amount, word)
    if found is None and not COUNT.match(amount.strip().upper()):
        run.note(leaf, NO_UNIT)
        run.note(unit, NO_UNIT)
    return found, [leaf, unit] if word else [leaf]


def lasting(run: Run, me: int, raw: str, delim: str, out: Resource, at: str, src: str) -> None:
    """A duration as an R4 Duration, whose unit is a unit of time (drt-1)."""
    found, sources = measured(run, raw, delim, src)
    if found is not None:
        out |= {"value": found.amount, "unit": found.word, "system": UCUM, "code": found.unit}
        log(run, me, at, ("value", "unit", "code"), "CQ[Duration]:1#1", sources)


def pair(value: str, unit: str, rule: str) -> Any:
    """A function for two elements of `Timing.repeat` that stand together: an amount and its unit (tim-1, tim-2)."""

    def both(run: Run, me: int, raw: str, delim: str, out: Resource, at: str, src: str) -> None:
        found, sources = measured(run, raw, delim, src)
        if found is not None:
            out[value], out[unit] = found.amount, found.unit
            log(run, me, at, (value, unit), rule, sources)

    both.__name__ = value
    return both


def per(run: Run, me: int, raw: str, delim: str, out: Resource, at: str, src: str) -> None:
    """RXE-22, `H1`: the unit of time of a rate."""
    text, leaf = run.leaf(raw, src)
    found = lettered(text)
    if found is None:
        run.note(leaf, NO_UNIT)
        return
    out |= {"value": found.amount, "unit": found.unit, "system": UCUM, "code": found.unit}
    log(run, me, at, ("value", "unit", "code"), "ST[Quantity]:1#1", [leaf])


def ending(run: Run, raw: str, delim: str, src: str) -> tuple[str, str]:
    """`start|amount|unit` or `start|D10`, made by an assignment: the v2 time of the end."""
    start, amount, unit = [*raw.split("|"), "", ""][:3]
    found = duration(amount, unit) if unit else lettered(amount)
    end = after(start, found) if found is not None else None
    if end is None and not COUNT.match(amount.strip().upper()):
        run.note(src, "start and duration make no end that is as precise as the start")
    return end or "", src


def offset(run: Run, raw: str, delim: str, src: str) -> tuple[str, str]:
    """`amount|unit`, made by an assignment: whole minutes."""
    amount, unit = [*raw.split("|"), ""][:2]
    found = duration(amount, unit)
    total = in_minutes(found) if found is not None else None
    if total is None:
        run.note(src, "this is no whole number of minutes")
    return "" if total is None else str(total), src


def amount(run: Run, raw: str, delim: str, src: str) -> tuple[str, str]:
    """TQ.3, `D10`: ten."""
    text, leaf = run.leaf(raw, src)
    found = lettered(text)
    return str(found.amount) if found is not None else "", leaf


def unit(run: Run, raw: str, delim: str, src: str) -> tuple[str, str]:
    """TQ.3, `D10`: the code of UCUM for days."""
    text, leaf = run.leaf(raw, src)
    found = lettered(text)
    return found.unit if found is not None else "", leaf


def time_unit(run: Run, raw: str, delim: str, src: str) -> tuple[str, str]:
    """The word for a unit of time as the code of UCUM."""
    text, leaf = run.leaf(raw, src)
    found = UNITS.get(text.strip().upper(), "")
    if text and not found:
        run.note(leaf, NO_UNIT)
    return found, leaf


def count(run: Run, raw: str, delim: str, src: str) -> tuple[str, str]:
    """TQ.3, `X5`: five times."""
    text, leaf = run.leaf(raw, src)
    found = COUNT.match(text.strip().upper())
    return found[1] if found else "", leaf


def as_needed(run: Run, raw: str, delim: str, src: str) -> tuple[str, str]:
    """Whether a pattern or a priority says PRN."""
    text, leaf = run.leaf(raw, src)
    return "true" if text.strip().upper().startswith("PRN") else "", leaf


BUILTINS: dict[str, Builtin] = {
    "@pattern": Builtin(pattern, "element", "Timing"),
    "@times": Builtin(times, "element", "BackboneElement"),
    "@weekdays": Builtin(weekdays, "element", "BackboneElement"),
    "@interval": Builtin(pair("period", "periodUnit", "CQ[Timing]:1#1"), "element", "BackboneElement"),
    "@occurrence": Builtin(pair("duration", "durationUnit", "CQ[Timing]:1#2"), "element", "BackboneElement"),
    "@lasting": Builtin(lasting, "element", "Duration"),
    "@per": Builtin(per, "element", "Quantity"),
    "@ending": Builtin(ending, "value"),
    "@offset": Builtin(offset, "value"),
    "@amount": Builtin(amount, "value"),
    "@unit": Builtin(unit, "value"),
    "@time-unit": Builtin(time_unit, "value"),
    "@count": Builtin(count, "value"),
    "@as-needed": Builtin(as_needed, "value"),
}
