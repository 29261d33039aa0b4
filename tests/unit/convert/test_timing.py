"""Patterns, durations and their sums with times: what v2 says of when, in numbers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import convert
from penstock.convert import Context, Converted
from penstock.convert.durations import Duration, after, duration, in_minutes, lettered
from penstock.convert.moments import later
from penstock.convert.timing import repeat_of
from penstock.formats.fhir.validate import require_sound
from penstock.formats.hl7v2 import parse


@pytest.mark.parametrize(
    ("code", "repeat"),
    [
        ("BID", {"frequency": 2, "period": 1, "periodUnit": "d"}),
        ("5ID", {"frequency": 5, "period": 1, "periodUnit": "d"}),
        ("q6h", {"frequency": 1, "period": 6, "periodUnit": "h"}),
        ("Q4-6H", {"frequency": 1, "period": 4, "periodMax": 6, "periodUnit": "h"}),
        ("Q30M", {"frequency": 1, "period": 30, "periodUnit": "min"}),
        ("Q2L", {"frequency": 1, "period": 2, "periodUnit": "mo"}),
        ("Q1J135", {"frequency": 3, "period": 1, "periodUnit": "wk", "dayOfWeek": ["mon", "wed", "fri"]}),
        ("QHS", {"frequency": 1, "period": 1, "periodUnit": "d", "when": ["HS"]}),
        ("PRNQ4H", {"frequency": 1, "period": 4, "periodUnit": "h"}),
        ("ONCE", {"count": 1}),
        ("C", {}),
        ("twice a day", None),
        ("Q0H", None),
        ("", None),
    ],
)
def test_a_repeat_pattern_becomes_numbers(code: str, repeat: dict[str, Any] | None) -> None:
    assert repeat_of(code) == repeat


def lasts(amount: str, unit: str) -> Duration:
    found = duration(amount, unit)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("start", "amount", "unit", "end"),
    [
        ("20250413", "10", "day", "20250423"),
        ("202504132230", "90", "min", "202504140000"),
        ("20250413223000+0100", "1.5", "hr", "20250414000000+0100"),
        ("20250131", "1", "MO", "20250228"),
        ("20241231", "1", "year", "20251231"),
        ("20250413", "48", "hours", "20250415"),
        ("20250413", "5", "hours", None),
        ("20250413", "1.5", "months", None),
        ("2025", "1", "day", None),
        ("99991231", "1", "day", None),
        ("20250431", "1", "day", None),
    ],
)
def test_start_and_duration_make_an_end_as_precise_as_the_start(start: str, amount: str, unit: str, end: str | None) -> None:
    assert after(start, lasts(amount, unit)) == end


@pytest.mark.parametrize(("amount", "unit"), [("", "day"), ("ten", "day"), ("10", ""), ("10", "tablet"), ("-1", "day")])
def test_what_is_no_duration_is_none(amount: str, unit: str) -> None:
    assert duration(amount, unit) is None


@pytest.mark.parametrize(("text", "amount", "unit"), [("D10", 10, "d"), ("M30", 30, "min"), ("l2", 2, "mo")])
def test_letters_say_units(text: str, amount: int, unit: str) -> None:
    found = lettered(text)
    assert found is not None and (found.amount, found.unit) == (amount, unit)


@pytest.mark.parametrize(
    ("amount", "unit", "minutes"), [("30", "min", 30), ("90", "s", None), ("1", "h", 60), ("120", "sec", 2), ("1", "mo", None)]
)
def test_a_duration_in_whole_minutes(amount: str, unit: str, minutes: int | None) -> None:
    assert in_minutes(lasts(amount, unit)) == minutes


@given(st.text(max_size=20))
def test_no_text_breaks_a_pattern_or_a_duration(text: str) -> None:
    repeat_of(text)
    found = lettered(text)
    assert found is None or found.amount >= 0
    assert after(text, lasts("1", "day")) is None or len(text.strip()) >= 8


@pytest.mark.parametrize(
    ("one", "other", "is_later"),
    [
        ("2025-04-14", "2025-04-13", True),
        ("2025", "2025-04-13", False),
        ("2025-04-13T10:00:00+02:00", "2025-04-13T08:30:00+00:00", False),
        ("2025-04-13T10:00:00+00:00", "2025-04-13T08:30:60+00:00", True),
        ("2025-04-13T10:00:00+00:00", "2025-04-13", False),
    ],
)
def test_one_time_is_later_than_another_when_that_is_sure(one: str, other: str, is_later: bool) -> None:
    assert later(one, other) is is_later


HEAD = "MSH|^~\\&|CPOE|NORTHGATE|||20250413||RDE^O11|1|P|2.5\rPID|1||7^^^X^MR\rORC|NW|P1\r"


def ordered(rest: str) -> Converted:
    result = convert.convert(parse(HEAD + rest), convert.plan(), Context())
    for one in result.resources:
        require_sound(one)
    return result


def dosages(rest: str) -> list[dict[str, Any]]:
    [found] = [one["dosageInstruction"] for one in ordered(rest).resources if one["resourceType"] == "MedicationRequest"]
    return list(found)


def test_a_period_that_would_end_before_it_begins_keeps_its_start() -> None:
    result = ordered("RXE|^BID^^20250413^20250410|T1^Pill^L|1||mg")
    [order] = [one for one in result.resources if one["resourceType"] == "MedicationRequest"]
    assert order["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"] == {"start": "2025-04-13"}
    assert ("RXE-1.5", "the period would end before it begins") in result.remainder


def test_times_of_day_stand_in_place_of_a_meal() -> None:
    result = ordered("RXE||T1^Pill^L|1||mg\rTQ1|1||QHS|2200")
    [order] = [one for one in result.resources if one["resourceType"] == "MedicationRequest"]
    repeat = order["dosageInstruction"][0]["timing"]["repeat"]
    assert repeat["timeOfDay"] == ["22:00:00"] and "when" not in repeat
    assert not any("when" in path for _, path, _, _ in result.lineage)


def test_half_of_what_stands_together_is_left_over_with_the_reason() -> None:
    result = ordered("RXE||T1^Pill^L|1||mg\rTQ1|1||^^^^7^fortnight")
    assert ("TQ1-3.5", "a period needs its unit (tim-2)") in result.remainder
    assert ("TQ1-3.6", "this is no amount of a unit of time") in result.remainder


def test_a_greatest_dose_below_the_least_one_is_left_over() -> None:
    result = ordered("RXE||T1^Pill^L|10|5|mg")
    assert ("RXE-4", "the greatest dose is below the least one (rng-2)") in result.remainder


def test_every_timing_of_an_order_has_its_dose_and_route() -> None:
    for each in dosages("RXE||T1^Pill^L|10||mg\rTQ1|1||QAM\rTQ1|2||QPM\rRXR|PO"):
        assert each["doseAndRate"] == [{"doseQuantity": {"value": 10, "unit": "mg"}}]
        assert each["route"]["coding"][0]["code"] == "PO"


def test_an_unknown_pattern_is_a_text_for_people_and_work_for_a_steward() -> None:
    result = ordered("RXE|^as the moon wanes|T1^Pill^L|1||mg")
    [order] = [one for one in result.resources if one["resourceType"] == "MedicationRequest"]
    assert order["dosageInstruction"][0]["timing"] == {"code": {"text": "as the moon wanes"}}
    assert "as the moon wanes" in {one.code for one in result.steward}
