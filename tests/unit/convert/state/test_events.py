"""What each trigger event does to a stay, and what each cancelling one undoes."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.convert.state import Mark
from penstock.convert.state.marks import Event
from penstock.convert.state.stay import MOST, add, derive, kinds
from tests.unit.convert.state.stories import PLACES, adt, end, only, said


def encounter(*messages: str) -> dict[str, Any]:
    return only(end(map(said, messages)), "Encounter")


A01 = adt("A01", "20250401080000", 1)
A02 = adt("A02", "20250402080000", 2, place=PLACES[1])
A03 = adt("A03", "20250403080000", 3, place=PLACES[1])


@pytest.mark.parametrize(
    ("trigger", "begun", "status"),
    [
        ("A11", (A01,), "cancelled"),
        ("A11", (A01, A02), "cancelled"),
        ("A11", (adt("A05", "20250330080000"), A01), "planned"),
        ("A38", (adt("A05", "20250330080000"),), "cancelled"),
        ("A27", (adt("A14", "20250330080000"),), "cancelled"),
        ("A23", (A01, A02), "entered-in-error"),
        ("A13", (A01, A02, A03), "in-progress"),
        ("A13", (A01, A03, adt("A08", "20250403090000", 9, pv1="|" * 26 + "20250403080000")), "in-progress"),
        ("A12", (A01, A02), "in-progress"),
        ("A52", (A01, adt("A21", "20250402080000")), "in-progress"),
        ("A53", (A01, adt("A21", "20250402080000"), adt("A22", "20250402120000")), "onleave"),
    ],
)
def test_a_cancelling_event_undoes_the_event(trigger: str, begun: tuple[str, ...], status: str) -> None:
    cancel = adt(trigger, "20250404080000", 7, place=PLACES[0])
    assert encounter(*begun, cancel)["status"] == status
    assert encounter(cancel, *reversed(begun))["status"] == status


def test_a_cancelled_discharge_has_no_end_and_the_next_one_has() -> None:
    cancel, again = adt("A13", "20250403090000", 4, place=PLACES[1]), adt("A03", "20250405080000", 5, place=PLACES[1])
    assert encounter(cancel, A03, A01)["period"] == {"start": "2025-04-01T08:00:00+00:00"}
    assert encounter(again, cancel, A03, A01)["period"]["end"] == "2025-04-05T08:00:00+00:00"
    assert encounter(again, cancel, A03, A01)["status"] == "finished"


def test_a_cancelled_transfer_leaves_no_trace_among_the_places() -> None:
    cancel = adt("A12", "20250402090000", 4)
    (place,) = encounter(A02, cancel, A01)["location"]
    assert (place["status"], place["period"]) == ("active", {"start": "2025-04-01T08:00:00+00:00"})


def test_a_cancelling_event_that_names_the_time_undoes_that_one() -> None:
    """EVN-6 of a cancelling event is when the cancelled one occurred (HL7 v2.5.1 section 3.4.1.6)."""
    second = adt("A02", "20250402120000", 5, place=PLACES[2])
    cancel = adt("A12", "20250402130000", 6, place=PLACES[2], evn="||||20250402080000")
    assert [one["period"].get("end") for one in encounter(cancel, second, A02, A01)["location"]] == ["2025-04-02T12:00:00+00:00", None]


def test_what_was_recorded_later_than_it_occurred_stands_where_it_occurred() -> None:
    late = adt("A02", "20250403080000", 5, place=PLACES[2], evn="||||20250401120000")
    starts = [one["period"]["start"] for one in encounter(late, A02, A01)["location"]]
    assert starts == ["2025-04-01T08:00:00+00:00", "2025-04-01T12:00:00+00:00", "2025-04-02T08:00:00+00:00"]


def test_an_update_does_not_open_a_finished_stay_again_and_a_new_admission_does() -> None:
    update = adt("A08", "20250404080000", 8, place=PLACES[1])
    assert encounter(update, A03, A01)["status"] == "finished"
    readmitted = encounter(adt("A01", "20250405080000", 9), A03, A01)
    assert (readmitted["status"], readmitted["period"]) == ("in-progress", {"start": "2025-04-05T08:00:00+00:00"})


def test_an_update_tells_of_a_place_that_no_event_told_of() -> None:
    update = adt("A08", "20250401090000", 8, place=PLACES[1])
    places = encounter(update, A01)["location"]
    assert [(one["status"], one.get("period")) for one in places] == [
        ("completed", {"start": "2025-04-01T08:00:00+00:00"}),
        ("active", None),
    ]


def test_a_prior_place_that_a_transfer_names_was_left_when_the_new_one_began() -> None:
    transfer = A02.replace(PLACES[1], PLACES[1] + "|||" + PLACES[0], 1).replace("|" * 16 + "V1", "|" * 13 + "V1")
    first, second = encounter(A01, transfer)["location"]
    assert first["period"] == {"start": "2025-04-01T08:00:00+00:00", "end": "2025-04-02T08:00:00+00:00"}
    assert second["status"] == "active"


def test_without_a_visit_number_the_next_stay_begins_anew() -> None:
    messages = [
        adt("A01", "20250401080000", 1, visit=""),
        adt("A03", "20250403080000", 2, visit=""),
        adt("A01", "20250501080000", 3, visit="", place=PLACES[2]),
    ]
    for order in (messages, messages[::-1]):
        found = encounter(*order)
        assert (found["status"], found["period"]) == ("in-progress", {"start": "2025-05-01T08:00:00+00:00"})
        assert len(found["location"]) == 1


def test_every_event_that_is_cancelled_has_a_line_of_its_own() -> None:
    for trigger, how in kinds().items():
        assert how.reach in ("", "one", "kind", "rest"), trigger
        assert bool(how.reach) == bool(how.cancels), trigger
        assert how.cancels <= kinds().keys(), trigger


def test_a_long_course_is_remembered_by_what_it_came_to() -> None:
    events = [
        Event(Mark(1, when, 0, ""), when, "A02", "", None, [{"location": {"reference": f"Location/{when}"}, "status": "active"}])
        for when in range(MOST + 50)
    ]
    log = add((), events)
    assert len(log) <= MOST
    assert derive(log) == derive(events)
