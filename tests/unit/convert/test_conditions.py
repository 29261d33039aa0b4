"""Every spelling of a condition that the tables use, and what it means."""

from __future__ import annotations

import csv
from io import StringIO

import pytest

from penstock.convert import rows
from penstock.convert.builtins import EMPTY
from penstock.convert.codes import shipped_codes
from penstock.convert.conditions import parse
from penstock.convert.primitives import numeric
from penstock.convert.run import Context, Run, pick, piece
from penstock.convert.sources import Here, condition
from penstock.errors import Problem
from penstock.formats.hl7v2 import parse as parse_message

MESSAGE = "MSH|^~\\&|A|B|||20250101||ADT^A01|1|P|2.5\rPID|1||7^^^X~8|a|||20250102|F||||13\rORC|RE|55"


def holds(text: str) -> bool:
    run = Run(parse_message(MESSAGE), shipped_codes(), Context())
    run.around = [run.root] * len(run.segments)
    place = 1
    code = condition(parse(text), Here("PID", 3))
    names = {
        "run": run,
        "fields": run.segments[place].fields,
        "at_segment": place,
        "raw": "7^^^X",
        "EMPTY": EMPTY,
        "piece": piece,
        "pick": pick,
    }
    return bool(eval(code, {**names, "numeric": numeric}))


@pytest.mark.parametrize(
    "text",
    [
        "IF PID-3 VALUED",
        "IF PID-3 IS VALUED",
        "IF PID-5 NOT VALUED",
        "IF PID-5 IS NOT VALUED",
        "IF PID-5 IS EMPTY",
        "IF PID-5 DOES NOT EXIST AND IF PID-6 DOES NOT EXIST",
        "IF PID-3 AND PID-4 VALUED",
        "IF PID-5 AND PID-6 NOT VALUED",
        'IF PID-8 EQUALS "F"',
        'IF PID-8 = "F"',
        'IF PID-8 IS "F"',
        'IF PID-8 NOT "M"',
        'IF PID-8 IS NOT "M"',
        'IF PID-8 NOT EQUALS "M"',
        'IF PID-8 IN ("M", "F")',
        'IF PID-8 IS IN ("M", "F")',
        'IF PID-8 NOT IN ("A","B")',
        "IF PID-3 LST.COUNT EQUALS 2",
        "IF PID-3 LST.count GREATER THAN 1",
        "IF PID-3 COUNT>1",
        "IF PID-4 COUNT=1",
        "IF PID-3 LST.COUNT LESS THAN OR EQUALS 2",
        "IF PID-7 LENGTH GREATER THAN 7",
        'IF (PID-8 EQUALS "M" OR PID-4 VALUED) AND ORC-2 VALUED',
        "IF ORC VALUED",
        "IF NOT VALUED OR PID-4 VALUED",
        "IF PID-4 IS VALUED NOT EQUAL PID-8",
        'IF PID-3.4 EQUALS "X"',
        "IF PID-12 IS NUMERIC",
        "ALWAYS",
    ],
)
def test_a_condition_that_holds(text: str) -> None:
    assert holds(text)


@pytest.mark.parametrize(
    "text",
    [
        "IF PID-5 VALUED",
        'IF PID-8 NOT IN ("F")',
        "IF PID-3 COUNT=1",
        "IF OBR VALUED",
        "IF PID-3 AND PID-5 VALUED",
        "IF PID-8 IS NUMERIC",
        "NEVER",
    ],
)
def test_a_condition_that_does_not_hold(text: str) -> None:
    assert not holds(text)


@pytest.mark.parametrize(
    "text", ["IF (PID-3 VALUED", "IF PID-3 IN http://example.org", "IF", "IF PID-3 VALUED PID-4", "IF PID-3 COUNT> x", "IF {"]
)
def test_an_unreadable_condition_is_a_problem_without_its_words(text: str) -> None:
    with pytest.raises(Problem) as caught:
        parse(text)
    assert "PID" not in caught.value.text


def test_nearly_every_published_condition_is_readable() -> None:
    texts = {
        row["condition"]
        for kind in rows.KINDS
        for row in csv.DictReader(StringIO(dict(rows.texts("ig"))[kind]))
        if row["condition"] not in ("", "?")
    }
    refused = []
    for text in sorted(texts):
        try:
            parse(text)
        except Problem:
            refused.append(text)
    assert len(texts) > 180 and len(refused) <= 12, refused
