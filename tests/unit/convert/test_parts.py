"""Paths, grammar, numbers, names of authorities and coding systems, ids: the small parts of a conversion."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.convert import paths
from penstock.convert.codes import shipped_codes, urn
from penstock.convert.compiler import tables
from penstock.convert.grammar import Cursor, Grammar, Group, tree
from penstock.convert.identity import uuid
from penstock.convert.paths import Step
from penstock.convert.primitives import decimal
from penstock.convert.rows import Row, place
from penstock.convert.run import Context, Run
from penstock.errors import Problem
from penstock.formats.hl7v2 import parse

RUN = Run(parse("MSH|^~\\&|A|B|||20250101||ADT^A01|1|P|2.5"), shipped_codes(), Context())


def test_a_path_through_two_resources() -> None:
    assert paths.parse("performer[2](PractitionerRole[1].organization(Organization.address))") == (
        Step("element", "performer", "2"),
        Step("resource", "PractitionerRole", "1"),
        Step("element", "organization"),
        Step("resource", "Organization"),
        Step("element", "address"),
    )


@pytest.mark.parametrize("text", ["coding[3.version", "status=final", "a(B.c", "line[1-3]"])
def test_an_unreadable_path_is_a_problem(text: str) -> None:
    with pytest.raises(Problem):
        paths.parse(text)


def placed(structure: str, names: str) -> list[tuple[str, str, str, Group]]:
    cursor = Cursor(Grammar(tree(structure, tables().messages[structure])), Group(0))
    out: list[tuple[str, str, str, Group]] = []
    for name in names.split():
        move, group = cursor.place(name)
        where = "?" if move is None else ".".join(node.name for node in move.node.groups)
        out.append((name, where, "strayed" if move and move.strayed else "", group))
    return out


def test_each_order_opens_its_own_group() -> None:
    found = placed("ORU_R01", "MSH PID PV1 ORC OBR OBX NTE OBX OBR OBX ORC OBR SPM OBX PID OBR")
    groups = [one[1].rpartition(".")[2] for one in found]
    first = "- PATIENT VISIT COMMON_ORDER ORDER_OBSERVATION OBSERVATION OBSERVATION OBSERVATION ORDER_OBSERVATION OBSERVATION"
    second = "COMMON_ORDER ORDER_OBSERVATION SPECIMEN SPECIMEN_OBSERVATION PATIENT ORDER_OBSERVATION"
    assert [group or "-" for group in groups] == f"{first} {second}".split()
    obx, note, next_obx, *_, last = [one[3] for one in found][5:]
    assert obx is note is not next_obx
    assert obx.outer is next_obx.outer
    assert obx.meets(next_obx) == (2, True)
    assert obx.meets(last) == (0, True)
    assert not any(one[2] for one in found)


def test_an_order_after_an_order_is_no_prior_result_of_it() -> None:
    found = placed("OML_O21", "MSH PID ORC OBR OBX ORC OBR SPM OBX PID ORC OBR")
    groups = [one[1].rpartition(".")[2] or "-" for one in found]
    assert groups[1:9] == "PATIENT ORDER OBSERVATION_REQUEST OBSERVATION ORDER OBSERVATION_REQUEST SPECIMEN SPECIMEN_OBSERVATION".split()
    assert groups[9:] == ["PATIENT_PRIOR", "ORDER_PRIOR", "ORDER_PRIOR"]


def test_a_group_is_entered_by_a_later_segment_where_nothing_may_begin_with_it() -> None:
    _, (*visit, outer), (*result, inner) = placed("ORU_R01", "MSH PV1 OBX")
    assert visit == ["PV1", "PATIENT_RESULT.PATIENT.VISIT", ""]
    assert result == ["OBX", "PATIENT_RESULT.ORDER_OBSERVATION.OBSERVATION", ""]
    assert outer.meets(inner) == (1, False)


def test_a_row_stands_after_the_row_that_it_names() -> None:
    ids = ["X:MSH#1", "X:PID#1", "X:PV1#1"]
    members = [Row(id_, type="segment 1..1") for id_ in ids]
    for new in ("X:NTE#1", "X:NTE#2"):
        row = Row(new, type="segment 0..*", vocabulary="after X:PID#1")
        members.insert(place(members, row), row)
    assert [row.rule for row in members] == ["X:MSH#1", "X:PID#1", "X:NTE#1", "X:NTE#2", "X:PV1#1"]
    with pytest.raises(Problem):
        place(members, Row("X:NTE#3", vocabulary="after X:ZZZ#1"))


def test_a_segment_of_another_order_is_never_meant() -> None:
    message = parse("MSH|^~\\&|A|B|||20250101||ORU^R01|1|P|2.5\rPID|1\rORC|RE|1\rOBR|1|2\rORC|RE|3\rOBX|1")
    run = Run(message, shipped_codes(), Context())
    cursor = Cursor(Grammar(tree("ORU_R01", tables().messages["ORU_R01"])), run.root)
    run.around = [cursor.place(segment.name)[1] for segment in message.segments]
    assert run.other(3, "ORC", 2) == "1"
    assert run.other(5, "ORC", 2) == "3"
    assert run.other(5, "OBR") == ""
    assert run.other(5, "PID") == "PID"


def test_what_comes_out_of_order_is_taken_where_it_is_known() -> None:
    found = placed("ORU_R01", "MSH PID OBR OBX PV1 ZZZ OBX")
    assert found[4][1:3] == ("PATIENT_RESULT.PATIENT.VISIT", "strayed")
    assert found[5][1] == "?"


@given(st.lists(st.sampled_from(["PID", "PV1", "OBR", "OBX", "NTE", "ORC", "SPM", "ZZZ", "MSH", "AL1", "PD1"]), max_size=30))
def test_the_matcher_places_every_known_segment(names: list[str]) -> None:
    grammar = Grammar(tree("ORU_R01", tables().messages["ORU_R01"]))
    cursor = Cursor(grammar, Group(0))
    for name in names:
        move, group = cursor.place(name)
        assert (move is None) == (name not in grammar.names)
        assert move is None or group.depth == len(move.node.groups)


@pytest.mark.parametrize(
    ("text", "value"), [("7.10", "7.10"), ("+5", "5"), ("-0.5", "-0.5"), ("007", "7"), (".5", "0.5"), ("5.", "5"), (" 3 ", "3"), ("0", "0")]
)
def test_a_number_keeps_its_precision(text: str, value: str) -> None:
    found = decimal(RUN, text, "OBX-5")
    assert found is not None and str(found) == value


@pytest.mark.parametrize("text", ["", "1e5", "NaN", "1,5", "5 mg", "--1", "Infinity", "٣"])
def test_what_is_no_number_is_refused(text: str) -> None:
    assert decimal(RUN, text, "OBX-5") is None


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=4))
def test_any_plain_number_comes_back(number: Decimal) -> None:
    assert decimal(RUN, f"{number:f}", "OBX-5") == number


@pytest.mark.parametrize(
    ("parts", "uri"),
    [
        (["NHS"], "https://fhir.nhs.uk/Id/nhs-number"),
        (["RXH"], "urn:id:RXH"),
        (["RX H/2"], "urn:id:RX-H-2"),
        (["LAB", "1.2.3.4", "ISO"], "urn:oid:1.2.3.4"),
        (["", "6F1C2B3A-0000-4000-8000-000000000001", "UUID"], "urn:uuid:6f1c2b3a-0000-4000-8000-000000000001"),
        (["", "https://example.org/id", "URI"], "https://example.org/id"),
        (["", "lab.example.org", "DNS"], "urn:id:DNS:lab.example.org"),
        ([""], ""),
    ],
)
def test_an_authority_becomes_a_system(parts: list[str], uri: str) -> None:
    assert shipped_codes().authority(parts, {}) == uri


def test_the_site_knows_its_authorities_best() -> None:
    assert shipped_codes().authority(["NHS"], {"NHS": "https://example.org/own"}) == "https://example.org/own"


@pytest.mark.parametrize(
    ("name", "uri", "known"),
    [
        ("LN", "http://loinc.org", True),
        ("ln", "http://loinc.org", True),
        ("HL70078", "http://terminology.hl7.org/CodeSystem/v2-0078", True),
        ("2.16.840.1.113883.6.1", "urn:oid:2.16.840.1.113883.6.1", True),
        ("L", "urn:id:RXH:L", False),
        ("99LAB", "urn:id:RXH:99LAB", False),
        ("OWN CODES", "urn:id:OWN-CODES", False),
    ],
)
def test_a_coding_system_name_becomes_a_uri(name: str, uri: str, known: bool) -> None:
    assert shipped_codes().system(name, {}, "RXH") == (uri, known)


@given(st.text(max_size=40))
def test_our_urn_is_always_a_uri(name: str) -> None:
    assert not any(c.isspace() for c in urn(name)) and len(urn(name)) > len("urn:id:")


def test_an_id_is_a_version_five_uuid() -> None:
    assert uuid("x") == uuid("x") != uuid("y")
    assert len(uuid("x")) == 36 and uuid("x")[14] == "5" and uuid("x")[19] in "89ab"
