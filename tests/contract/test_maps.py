"""One suite for every map of the package: it compiles, each open row has an answer with a reason, and a bad row stops the start."""

from __future__ import annotations

import csv
from io import StringIO

import pytest

from penstock import convert
from penstock.convert import Context, Row, rows
from penstock.convert.api import STRUCTURES, triggers
from penstock.convert.codes import shipped_codes
from penstock.convert.compiler import Compiler, build
from penstock.convert.rows import EVERY, KINDS
from penstock.errors import Problem
from penstock.formats.hl7v2 import parse
from tools import mapping_rows

OWN = ("errata", "decisions", "structures", "message")


@pytest.mark.parametrize("message", [False, True])
def test_every_supported_structure_compiles(message: bool) -> None:
    assert set(convert.plan(message=message).structures) == set(STRUCTURES)


def test_what_tells_of_the_message_is_made_only_when_it_is_asked_for() -> None:
    message = parse(b"MSH|^~\\&|A|B|||20250101||ADT^A01|1|P|2.5\rEVN||20250101\rPID|1||7^^^X^MR||Doe^Ann||19800101\rPV1|1|I")
    about = {"Bundle", "MessageHeader", "Provenance", "Organization"}
    for asked in (False, True):
        made = {one["resourceType"] for one in convert.convert(message, convert.plan(message=asked), Context()).resources}
        assert made & about == (about if asked else set())


def test_every_trigger_leads_to_a_compiled_structure() -> None:
    assert set(triggers().values()) <= set(STRUCTURES)


@pytest.mark.parametrize(("layer", "name", "text"), [(layer, name, text) for layer in OWN for name, text in rows.texts(layer)])
def test_every_correction_and_decision_says_why(layer: str, name: str, text: str) -> None:
    silent = [line for line in csv.DictReader(StringIO(text)) if "reason" in line and layer != "structures" and not line["reason"]]
    assert silent == []


def test_every_correction_and_decision_is_about_a_row_that_exists_or_is_complete() -> None:
    known = {row.rule for name, text in rows.texts("ig") if rows.is_map(text) for row in rows.read_rows(text)}
    lost = [
        row.rule
        for layer in OWN
        for _, text in rows.texts(layer)
        if rows.is_map(text)
        for row in rows.read_rows(text)
        if row.rule not in known and not row.source and not row.rule.endswith("*")
    ]
    assert lost == []


def test_the_tables_of_hl7_hold_no_prose() -> None:
    for name, text in rows.texts("ig"):
        for line in csv.DictReader(StringIO(text)):
            assert max(len(value) for key, value in line.items() if key not in ("display", "assign", "condition")) < 130, (name, line)


def test_all_bad_rows_are_reported_at_once() -> None:
    bad = (
        Row("PID[Patient]:7#1", "PID-7", "DTM", "", "birthday"),
        Row("PID[Patient]:8#1", "PID-8", "CWE", "IF (", "gender"),
        Row("PID[Patient]:16#1", "PID-16", "CWE", "", "maritalStatus", "CWE[Nothing]"),
    )
    with pytest.raises(ExceptionGroup) as caught:
        build(("ADT_A01",), bad)
    assert {problem.at for problem in caught.value.exceptions if isinstance(problem, Problem)} == {row.rule for row in bad}


MESSAGE = "MSH|^~\\&|A|B|||20250101||ADT^A08|1|P|2.5\rPID|1||7^^^X^MR||Doe^Ann||19800101|F||2106-3^White^HL70005\rZPI|blue"


def test_an_overlay_wins_and_changes_the_version() -> None:
    row = Row("PID[Patient]:23#9", "PID-8", "CWE", "", "extension[99].valueString")
    url = Row("PID[Patient]:23#10", "PID-8", "CWE", "", "extension[99].url", assign='"https://example.org/sex-as-sent"')
    plan = convert.plan((row, url))
    assert plan.version != convert.plan().version
    (patient,) = convert.convert(parse(MESSAGE), plan, Context()).resources
    assert {"url": "https://example.org/sex-as-sent", "valueString": "F"} in patient["extension"]
    (plain,) = convert.convert(parse(MESSAGE), convert.plan(), Context()).resources
    assert "extension" not in plain


def test_an_overlay_can_switch_a_row_off() -> None:
    plan = convert.plan((Row("PID[Patient]:7#*", reason="the site does not want it"),))
    result = convert.convert(parse(MESSAGE), plan, Context())
    assert "birthDate" not in result.resources[0]
    assert ("PID-7", "the site does not want it") in result.remainder


def test_an_undeclared_z_segment_is_reported() -> None:
    assert ("ZPI", "undeclared Z segment") in convert.convert(parse(MESSAGE), convert.plan(), Context()).remainder


@pytest.mark.req("V2-03")
@pytest.mark.parametrize("type", ["ADT^A99", "XYZ^Q01", "ADT", ""])
def test_an_unknown_trigger_is_not_supported(type: str) -> None:
    with pytest.raises(Problem) as caught:
        convert.convert(parse(MESSAGE.replace("ADT^A08", type)), convert.plan(), Context())
    assert caught.value.code == "not-supported"


TABLES = rows.collect(message=True)


def test_every_row_that_is_left_to_people_has_an_answer_with_a_reason_and_an_owner() -> None:
    left = [
        row.rule
        for _, text in rows.texts("ig")
        if rows.is_map(text)
        for row in rows.read_rows(text)
        if row.target not in ("", "?extension") and "?" in (row.condition, row.target, row.assign)
    ]
    assert len(left) > 150
    told = {one.row.rule: one for kind in KINDS for members in mapping_rows.told(kind).values() for one in members}
    assert [rule for rule in left if not (told[rule].reason and told[rule].owner)] == []


@pytest.mark.parametrize("kind", ["segments", "datatypes"])
def test_every_map_compiles_alone_also_those_that_no_structure_uses(kind: str) -> None:
    bad = {}
    for name in getattr(TABLES, kind):
        compiler = Compiler(TABLES, shipped_codes(), message=True)
        if kind == "segments":
            compiler.segment(name, name.partition("[")[0])
        else:
            compiler.using(name)
        if compiler.problems:
            bad[name] = [problem.at for problem in compiler.problems]
    assert bad == {}


def test_every_message_map_compiles() -> None:
    assert set(build([name for name in TABLES.messages if name != EVERY], message=True).structures) == set(TABLES.messages) - {EVERY}


def test_every_code_table_of_hl7_loads() -> None:
    names = {row["table"] for row in rows.table("ig", "codes")}
    assert len(names) == 99
    assert [name for name in names if shipped_codes().table(name) is None] == []
