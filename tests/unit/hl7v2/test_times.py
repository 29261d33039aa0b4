"""HL7 times as FHIR times: precision kept, nothing shifted, and a reason where there is none."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.formats.hl7v2 import to_fhir

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.req("V2-18")
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1985", "1985"),
        ("198503", "1985-03"),
        ("19850315", "1985-03-15"),
        ("2025041309", "2025-04-13T09:00:00+02:00"),
        ("202504130930", "2025-04-13T09:30:00+02:00"),
        ("20250413093015", "2025-04-13T09:30:15+02:00"),
        ("20250413093015.1", "2025-04-13T09:30:15.1+02:00"),
        ("20250413093015.1230", "2025-04-13T09:30:15.1230+02:00"),
        ("20250413093015+0545", "2025-04-13T09:30:15+05:45"),
        ("202504130930-0330", "2025-04-13T09:30:00-03:30"),
        ("20250113093015", "2025-01-13T09:30:15+01:00"),
        ("20250413093015-0000", "2025-04-13T09:30:15+00:00"),
        ("19850315+0100", "1985-03-15"),
        ("20240229", "2024-02-29"),
        ("20161231235960+0000", "2016-12-31T23:59:60+00:00"),
        ("00010101", "0001-01-01"),
        ("99991231235959+1400", "9999-12-31T23:59:59+14:00"),
        (" 20250413 ", "2025-04-13"),
    ],
)
def test_a_time_keeps_its_precision(value: str, text: str) -> None:
    assert to_fhir(value, "dateTime", BERLIN).text == text


@pytest.mark.parametrize(
    "value",
    ["", " ", '""', "0000", "00000000", "20251301", "20250230", "20230229", "2025041324", "202504130960", "20250413093061", "198", "19850",
     "2025-04-13", "20250413T0930", "Smith", "20250413093015.", "20250413093015+1500", "20250413093015+0160", "٢٠٢٥٠٤١٣"],
)  # fmt: skip
def test_what_is_no_time_has_a_reason(value: str) -> None:
    found = to_fhir(value, "dateTime", BERLIN)
    assert found.text is None
    assert found.reason
    assert not value.strip() or value not in found.reason


def test_a_time_of_day_needs_an_offset_or_a_zone() -> None:
    assert to_fhir("202504130930").text is None
    assert to_fhir("20250413").text == "2025-04-13"


def test_clock_changes_shift_nothing() -> None:
    assert to_fhir("20250330013000", zone=BERLIN).text == "2025-03-30T01:30:00+01:00"
    assert to_fhir("20250330033000", zone=BERLIN).text == "2025-03-30T03:30:00+02:00"
    assert (to_fhir("20250330023000", zone=BERLIN).text or "").startswith("2025-03-30T02:30:00")
    assert to_fhir("20251026023000", zone=BERLIN).text == "2025-10-26T02:30:00+02:00"


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ("20250413093015", "date", "2025-04-13"),
        ("202504", "date", "2025-04"),
        ("20250413093015", "instant", "2025-04-13T09:30:15+02:00"),
        ("202504130930", "instant", "2025-04-13T09:30:00+02:00"),
        ("2025041309", "instant", None),
        ("20250413", "instant", None),
        ("0930", "time", "09:30:00"),
        ("093015.25+0100", "time", "09:30:15.25"),
        ("2430", "time", None),
        ("9", "time", None),
    ],
)
def test_each_kind_takes_what_it_can_hold(value: str, kind: str, text: str | None) -> None:
    assert to_fhir(value, kind, BERLIN).text == text


@given(st.text(alphabet="0123456789+-.T: ", max_size=26), st.sampled_from(["date", "dateTime", "instant", "time"]))
def test_any_text_is_a_time_or_a_reason(value: str, kind: str) -> None:
    found = to_fhir(value, kind, BERLIN)
    assert (found.text is None) == bool(found.reason)
