"""What other converters make of public messages, and how much of it we make too: each share may only rise (`v2_pairs.csv`).

The expected bundles are other programs' output: a share measures agreement, not truth. docs/mapping-differences.md argues the rest.
"""

from __future__ import annotations

import csv
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

FLOORS = Path(__file__).with_name("v2_pairs.csv")


@pytest.fixture(scope="module")
def tools() -> Iterator[tuple[ModuleType, ModuleType]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "tools"))
        yield importlib.import_module("v2_facts"), importlib.import_module("v2_pairs")


def bundle(*resources: dict[str, object]) -> dict[str, object]:
    return {"resourceType": "Bundle", "entry": [{"resource": one} for one in resources]}


def test_no_share_falls(tools: tuple[ModuleType, ModuleType], data_sets: Path) -> None:
    _, pairs = tools
    shares = pairs.shares(pairs.compare(pair) for pair in pairs.pairs(data_sets))
    floors = {(row["set"], row["type"]): float(row["percent"]) for row in csv.DictReader(FLOORS.read_text().splitlines())}
    assert floors
    fallen = [
        f"{set} {type}: {shares[set, type].percent:.1f} of {floor}"
        for (set, type), floor in floors.items()
        if shares[set, type].percent < floor
    ]
    assert fallen == []


def test_spelling_is_no_difference(tools: tuple[ModuleType, ModuleType]) -> None:
    facts, _ = tools
    one = {"resourceType": "Patient", "name": [{"given": ["Ada Maria"]}], "telecom": [{"value": "+1 (555) 010-2233"}]}
    other = {"resourceType": "Patient", "id": "1", "name": [{"given": ["Ada", "Maria"]}], "telecom": [{"value": "5550102233"}]}
    assert facts.facts(bundle(one)) == facts.facts(bundle(other))
    coded = [
        {"resourceType": "Observation", "code": {"coding": [{"system": system, "code": "1-8"}]}}
        for system in ("http://loinc.org", "urn:oid:2.16.840.1.113883.6.1", "LN")
    ]
    assert len({frozenset(facts.facts(bundle(resource))) for resource in coded}) == 1


def test_a_time_is_the_same_instant_or_the_same_day_where_one_has_no_more(tools: tuple[ModuleType, ModuleType]) -> None:
    facts, _ = tools
    assert facts.same("2024-05-01T10:00:00-04:00", "2024-05-01T14:00:00Z")
    assert facts.same("2024-05-01T10:00:00Z", "2024-05-01")
    assert facts.same("2024-05-01T10:00:00Z", "2024-05-01T10:00:00+02:00"), "where the message has no zone each converter takes its own"
    assert not facts.same("2024-05-01T10:00:00Z", "2024-05-01T11:00:00Z")
    assert not facts.same("2024-05-01", "2024-05-02")
    assert not facts.same("20240501", "2024")


def test_another_value_another_path_and_another_type_are_missing(tools: tuple[ModuleType, ModuleType]) -> None:
    facts, _ = tools
    said = facts.facts(bundle({"resourceType": "Patient", "gender": "male", "active": True}))
    for resource in ({"resourceType": "Patient", "gender": "female"}, {"resourceType": "Practitioner", "gender": "male"}):
        assert facts.found(facts.facts(bundle(resource)), said) == set()


def test_ids_references_extensions_and_displays_are_no_facts(tools: tuple[ModuleType, ModuleType]) -> None:
    facts, _ = tools
    resource = {
        "resourceType": "Encounter",
        "id": "1",
        "meta": {"source": "x"},
        "text": {"status": "generated", "div": "<div/>"},
        "extension": [{"url": "http://example.org", "valueString": "x"}],
        "subject": {"reference": "Patient/1", "display": "Ada", "type": "Patient"},
        "class": {"code": "IMP", "display": "inpatient"},
    }
    assert facts.facts(bundle(resource)) == {("Encounter", "class.code", "IMP")}
