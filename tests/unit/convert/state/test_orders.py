"""The same messages give the same resources, in whatever order they arrive, and however often."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.convert.state import Mark, Record, Statement, dump, fold, load
from penstock.formats.fhir import validate
from tests.unit.convert.state.stories import NOTHING, PLACES, Records, adt, end, hear, only, oru, said, seen, shuffled, story

#: An inpatient stay of eight messages, in the order of their times.
STAY = (
    adt("A05", "20250330080000", 1),
    adt("A01", "20250401080000", 2),
    adt("A08", "20250401090000", 3, pid="Doe^Anna||19800229|F|||1 Road^^Town"),
    adt("A02", "20250402090000", 4, place=PLACES[1]),
    adt("A02", "20250402093000", 5, place=PLACES[2]),
    adt("A12", "20250402094000", 6, place=PLACES[1]),
    adt("A03", "20250403090000", 7, place=PLACES[1]),
    adt("A13", "20250403093000", 8, place=PLACES[1]),
)


def orders(count: int) -> Iterator[tuple[int, ...]]:
    """All orders, those with the same beginning one after the other."""

    def walk(begun: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if len(begun) == count:
            yield begun
        for each in range(count):
            if each not in begun:
                yield from walk((*begun, each))

    return walk(())


def test_all_orders_of_an_eight_message_stay_end_in_one_state() -> None:
    """8! = 40,320 orders; what one order has in common with the one before is heard once."""
    messages = [said(text, frozenset({"Encounter"})) for text in STAY]
    heard: list[tuple[int, Records]] = []
    ends, count = set(), 0
    for order in orders(len(STAY)):
        while any(one != order[place] for place, (one, _) in enumerate(heard)):
            heard.pop()
        for each in order[len(heard) :]:
            heard.append((each, hear(heard[-1][1] if heard else {}, messages[each])))
        ends.add(seen(heard[-1][1]))
        count += 1
    assert count == 40_320
    assert len(ends) == 1
    assert ends == {seen(end(messages))}


def test_the_stay_ends_as_its_events_say() -> None:
    encounter = only(end(map(said, STAY)), "Encounter")
    assert encounter["status"] == "in-progress"
    assert encounter["period"] == {"start": "2025-04-01T08:00:00+00:00"}
    first, second = encounter["location"]
    assert (first["status"], first["period"]) == ("completed", {"start": "2025-04-01T08:00:00+00:00", "end": "2025-04-02T09:00:00+00:00"})
    assert (second["status"], second["period"]) == ("active", {"start": "2025-04-02T09:00:00+00:00"})


@pytest.mark.parametrize("part", range(10))
def test_generated_stories_end_in_one_state_in_sampled_orders(part: int) -> None:
    """1,000 stories, each in the order of its times and in two others with a message repeated."""
    for seed in range(part, 1000, 10):
        told = [said(text) for text in story(seed)]
        expected = end(told)
        for shuffle in (1, 2):
            assert seen(end(shuffled(told, seed * 10 + shuffle))) == seen(expected), f"story {seed}, order {shuffle}"


def test_what_generated_stories_become_is_valid() -> None:
    for seed in range(0, 1000, 50):
        for record in end(shuffled([said(text) for text in story(seed)], seed)).values():
            assert record.resource is not None
            assert [issue for issue in validate.check(record.resource) if issue.severity == "error"] == []


RESULTS = (
    oru("20250401100000", 1, "P", "5.0"),
    oru("20250401110000", 2, "F", "6.0"),
    oru("20250401120000", 3, "C", "7.0"),
    oru("20250401130000", 4, "P", "5.1"),
)


def test_a_late_preliminary_result_overwrites_neither_the_final_nor_the_corrected_one() -> None:
    told = [said(text) for text in RESULTS]
    ends = {seen(end(told[place] for place in order)) for order in orders(4)}
    assert len(ends) == 1
    observation = only(end(told), "Observation")
    assert (observation["status"], str(observation["valueQuantity"]["value"])) == ("corrected", "7.0")


# -- any statements at all ---------------------------------------------------------------------------------------------

uses = st.sampled_from(["official", "usual", "maiden"])
names = st.fixed_dictionaries({"use": uses, "family": st.sampled_from("ABC")})
numbers = st.fixed_dictionaries(
    {"system": st.sampled_from("xy"), "value": st.sampled_from("12")}, optional={"use": st.sampled_from(["old"])}
)
contacts = st.fixed_dictionaries({"system": st.just("phone"), "use": st.sampled_from(["home", "work"]), "value": st.sampled_from("12")})
patients = st.fixed_dictionaries(
    {"resourceType": st.just("Patient"), "id": st.just("1")},
    optional={
        "gender": st.sampled_from(["male", "female"]),
        "_gender": st.sampled_from([{"id": "a"}]),
        "deceasedBoolean": st.booleans(),
        "identifier": st.lists(numbers, min_size=1, max_size=3),
        "name": st.lists(names, min_size=1, max_size=3),
        "telecom": st.lists(contacts, min_size=1, max_size=3),
    },
) | st.fixed_dictionaries({"resourceType": st.just("Patient"), "id": st.just("1"), "deceasedDateTime": st.sampled_from(["2025", "2026"])})
places = st.fixed_dictionaries(
    {
        "location": st.sampled_from([{"reference": "Location/1"}, {"reference": "Location/2"}]),
        "status": st.sampled_from(["active", "completed"]),
    },
    optional={"period": st.sampled_from([{"start": "2025-01-01"}, {"start": "2025-01-02"}])},
)
visits = st.fixed_dictionaries(
    {
        "resourceType": st.just("Encounter"),
        "id": st.just("1"),
        "status": st.sampled_from(["planned", "in-progress", "finished", "unknown"]),
    },
    optional={
        "class": st.sampled_from([{"code": "IMP"}, {"code": "UNK"}]),
        "period": st.fixed_dictionaries(
            {}, optional={"start": st.just("2025-01-01"), "end": st.sampled_from(["2025-01-03", "2025-01-04"])}
        ),
        "hospitalization": st.fixed_dictionaries({"admitSource": st.sampled_from([{"text": "1"}, {"text": "2"}])}),
        "location": st.lists(places, min_size=1, max_size=2),
        "reasonCode": st.sampled_from([[{"text": "a"}], [{"text": "b"}]]),
    },
)
NULLS = {
    "Patient": ["gender", "telecom", "telecom[use=home]", "deceasedDateTime", "name[use=official]"],
    "Encounter": ["status", "period", "period.end", "location", "hospitalization.admitSource", "class"],
}
TRIGGERS = ["", "A01", "A02", "A03", "A05", "A08", "A11", "A12", "A13", "A21", "A22"]
numbered = st.fixed_dictionaries({}, optional={"identifier": st.lists(numbers, min_size=1, max_size=1)})
weak = st.frozensets(st.sampled_from(["gender", "reasonCode"]), max_size=1)


def stated(resources: st.SearchStrategy[Any], type: str) -> st.SearchStrategy[list[Statement]]:
    """Statements with marks of a few times, each of another message."""
    each = st.tuples(
        resources, st.lists(st.sampled_from(NULLS[type]), max_size=2), numbered, weak, st.integers(100, 103), st.sampled_from(TRIGGERS)
    )

    def numbered_(found: list[Any]) -> list[Statement]:
        return [
            Statement(resource, Mark(1, when, 0, f"{place:03}"), tuple(nulls), gone, weak, trigger, when)
            for place, (resource, nulls, gone, weak, when, trigger) in enumerate(found)
        ]

    return st.lists(each, min_size=2, max_size=4).map(numbered_)


@settings(max_examples=300, deadline=None)
@given(stated(patients, "Patient") | stated(visits, "Encounter"), st.randoms(use_true_random=False))
def test_statements_commute_and_a_repeated_one_changes_nothing(told: list[Statement], chance: Any) -> None:
    expected = folded(sorted(told, key=lambda one: one.mark))
    other = [*told, chance.choice(told)]
    chance.shuffle(other)
    assert folded(other) == expected


def folded(told: list[Statement]) -> Any:
    """The resource, its marks kept as bytes from one statement to the next."""
    record: Record = NOTHING
    for statement in told:
        record = fold(record, statement)
        record = Record(record.resource, load(dump(record.marks)))
    return record.resource
