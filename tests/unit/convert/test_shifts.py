"""What merges, changes of numbers, moves and unlinks do beyond describing records: by trigger event, from our own messages."""

from __future__ import annotations

from typing import Any

import pytest

from penstock import convert
from penstock.convert import Context, Converted
from penstock.convert.grammar import Grammar, tree
from penstock.convert.rows import Row
from penstock.formats.hl7v2 import parse
from tests.unit.convert.test_messages import FOLDER

PERSON, ACCOUNT, VISIT = ("MRN19", "into", "MRN20"), ("ACC19", "into", "ACC20"), ("V19", "into", "V20")


def converted(name: str, **changes: str) -> Converted:
    text = (FOLDER / f"{name}.hl7").read_bytes().decode()
    for old, new in changes.items():
        text = text.replace(old, new)
    return convert.convert(parse(text), convert.plan(), Context(interface="test"))


def told(result: Converted) -> list[tuple[str, str, str]]:
    """The shifts, each record by its preferred number."""
    bodies = [*result.resources, *(shift.named for shift in result.shifts if shift.named)]
    by_reference = {f"{one['resourceType']}/{one['id']}": number(one) for one in bodies}
    return [(by_reference[shift.left], shift.verb, by_reference[shift.right]) for shift in result.shifts]


def number(resource: dict[str, Any]) -> str:
    numbers = [one["value"] for one in resource.get("identifier", [])]
    return next((one for one in numbers if one.startswith(("MRN", "ACC", "V"))), next(iter(numbers), ""))


@pytest.mark.parametrize(
    ("name", "shifts"),
    [
        ("merge_a18_everything", [PERSON, ACCOUNT, VISIT]),
        ("merge_a30_person", [PERSON]),
        ("merge_a34_patient", [PERSON]),
        ("merge_a35_account", [ACCOUNT]),
        ("merge_a36_patient_and_account", [PERSON, ACCOUNT]),
        ("merge_a39_person_external", [PERSON]),
        ("merge_a40_two_persons", [PERSON, ("MRN39", "into", "MRN40")]),
        ("merge_a41_account", [ACCOUNT]),
        ("merge_a42_visit", [VISIT]),
        ("move_a44_account", [("ACC20", "from", "MRN19")]),
        ("move_a45_visits", [("V20", "from", "MRN19"), ("V23", "from", "MRN19")]),
        ("change_a47_numbers", [("MRN19", "becomes", "MRN20")]),
        ("change_a49_account", [("ACC19", "becomes", "ACC20")]),
        ("change_a50_visit", [("V19", "becomes", "V20")]),
        ("change_a51_alternate_visit", []),
        ("link_a24", []),
        ("unlink_a37", [("MRN20", "apart from", "MRN50")]),
        ("swap_a17", []),
    ],
)
def test_a_trigger_event_shifts_records(name: str, shifts: list[tuple[str, str, str]]) -> None:
    assert told(converted(name)) == shifts


@pytest.mark.parametrize(
    ("name", "of", "gone"),
    [
        ("change_a47_numbers", "MRN20", {"MRN19", "A19", "E19"}),
        ("change_a49_account", "ACC20", {"ACC19"}),
        ("change_a50_visit", "V20", {"V19", "ALT19"}),
        ("change_a51_alternate_visit", "V20", {"ALT19"}),
        ("move_a43_numbers", "MRN21", {"A19", "E19"}),
    ],
)
def test_prior_numbers_are_gone(name: str, of: str, gone: set[str]) -> None:
    result = converted(name)
    (found,) = [one for one in result.gone if one.name == "identifier"]
    (record,) = [one for one in result.resources if f"{one['resourceType']}/{one['id']}" == found.reference]
    assert (number(record), {one["value"] for one in found.entries}) == (of, gone)


def test_the_prior_numbers_are_the_way_back_of_the_change() -> None:
    result = converted("change_a47_numbers")
    sources = {source for _, path, rule, source in result.lineage if (path, rule) == ("identifier", "ADT_A30:MRG#2")}
    assert {"MRG-1.1", "MRG-2.1", "MRG-4.1"} <= sources


def test_numbers_that_move_between_two_known_persons_leave_the_first_one() -> None:
    """Without MRG-4 and PID-2 (since v2.7) both lists say whom the number left, and whom it reached."""
    text = "MSH|^~\\&|PAS|RXH|||20250502||ADT^A43|1|P|2.7\rEVN|A43|20250502\rPID|1||TO^^^RXH^MR~X7^^^LAB^PI\rMRG|FROM^^^RXH^MR~X7^^^LAB^PI"
    result = convert.convert(parse(text), convert.plan(), Context())
    (shift,), (gone,) = result.shifts, result.gone
    assert shift.named is not None
    assert (shift.verb, number(shift.named), gone.reference) == ("cedes to", "FROM", shift.left)
    assert {one["value"] for one in gone.entries} == {"TO", "X7"}


@pytest.mark.parametrize(("name", "old", "new"), [("change_a47_numbers", "MRN19", "MRN20"), ("merge_a40_two_persons", "MRN19", "MRN20")])
def test_a_record_is_not_shifted_into_itself(name: str, old: str, new: str) -> None:
    result = converted(name, **{old: new})
    assert not any(new in told_ for told_ in told(result))


def test_an_unlink_ends_the_link_on_both_sides() -> None:
    gone = converted("unlink_a37").gone
    assert [(one.name, one.entries[0]["other"]["reference"]) for one in gone] == [
        ("link", gone[1].reference),
        ("link", gone[0].reference),
    ]


def test_a_segment_that_stands_twice_in_a_structure_has_all_its_rows_where_they_stand() -> None:
    rows = [
        Row("X:PID#1", "X.PID", "segment 1..1", target="Patient[1]"),
        Row("X:PV1#1", "X.PV1", "segment 1..1"),
        Row("X:PID#2", "X.PID", "segment 1..1", target="Patient[2]"),
        Row("X:PID#3", "X.PID", "segment 1..1", target="Account[2]"),
    ]
    root = tree("X", rows)
    assert [[row.rule for row in node.rows] for node in root.children] == [["X:PID#1"], ["X:PV1#1"], ["X:PID#2", "X:PID#3"]]
    first = Grammar(root).move(root, "PID")
    assert first is not None
    second = Grammar(root).move(first.node, "PID")
    assert second is not None and (second.node, second.strayed) == (root.children[2], False)
