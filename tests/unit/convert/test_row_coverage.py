"""Which rows a set of messages fires: what coverage counts, and what it does not."""

from __future__ import annotations

from tools.row_coverage import coverage, golden

MESSAGE = b"MSH|^~\\&|A|B|||20250101||ADT^A01|1|P|2.5\rPID|1||7^^^X^MR||Doe^Ann||19800101\rPV1|1|I"


def test_a_row_counts_when_it_puts_something_into_a_resource_and_not_before() -> None:
    rules, fired = coverage([MESSAGE], ("ADT_A01",))
    assert fired <= rules
    assert {"PID[Patient]:7#1", "PID[Patient]:5#1", "XPN[HumanName]:1#1", "FN[HumanName]:1#1", "ADT_A01:PID#1"} <= fired
    assert {"PID[Patient]:8#1", "PID[Patient]:15#1", "XTN[ContactPoint]:4#1", "ADT_A01:DG1#1"} <= rules - fired


def test_a_row_whose_condition_does_not_hold_does_not_fire() -> None:
    _, admitted = coverage([MESSAGE], ("ADT_A01",))
    _, discharged = coverage([MESSAGE.replace(b"A01", b"A13")], ("ADT_A01",))
    assert "PV1[Encounter]:0#5" in discharged - admitted


def test_every_compiled_row_of_every_structure_is_fired_by_a_golden_message() -> None:
    rules, fired = coverage(golden())
    assert sorted(rules - fired) == []
