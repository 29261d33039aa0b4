"""Merges, moves, changes of numbers and their undoing, told by messages to the running program and seen by REST and on the feed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.conftest import Program, bundle_resources
from tests.e2e.test_scene_orders import told
from tests.e2e.test_scene_stay import adt, oru

Resource = dict[str, Any]
Find = Callable[..., list[Resource]]


def shift(control_id: str, trigger: str, at: str, *segments: str) -> bytes:
    lines = [
        f"MSH|^~\\&|PAS|ELMS|PENSTOCK|ELMS|{at}+0000||ADT^{trigger}|{control_id}|P|2.5.1||||||UNICODE UTF-8",
        f"EVN|{trigger}|{at}+0000",
        *segments,
    ]
    return "\r".join(lines).encode() + b"\r"


def pid(mrn: str, account: str = "") -> str:
    return f"PID|1||{mrn}^^^ELMS^MR||Quarrington^Tamsin||19610203|F{'||||||||||' + account + '^^^ELMS^AN' if account else ''}"


def mrg(mrn: str = "", account: str = "", visit: str = "") -> str:
    parts = [mrn and f"{mrn}^^^ELMS^MR", "", account and f"{account}^^^ELMS^AN", "", visit and f"{visit}^^^ELMS^VN"]
    return "MRG|" + "|".join(parts)


def pv1(visit: str) -> str:
    return f"PV1|1|I|AMU^1^A^ELMS{'|' * 16}{visit}^^^ELMS^VN"


@pytest.fixture(scope="module")
def find(program: Program) -> Find:
    def found(type_: str, **query: str) -> list[Resource]:
        with program.client() as client:
            return bundle_resources(client.get(f"/fhir/{type_}", params={**query, "_count": "100"}))

    return found


def send(program: Program, *messages: bytes) -> None:
    assert [answer.code for answer in program.send(*messages)] == ["AA"] * len(messages)
    told(program)


def patient(find: Find, mrn: str) -> Resource:
    """The record of a number, and of no other one."""
    (found,) = [one for one in find("Patient", identifier=f"urn:id:ELMS|{mrn}") if one["identifier"][0]["value"] == mrn]
    return found


def links(resource: Resource) -> set[tuple[str, str]]:
    return {(link["type"], link["other"]["reference"]) for link in resource.get("link", [])}


def whose(find: Find, *references: str) -> dict[str, int]:
    """How many visits and results refer to each patient."""
    return {
        reference: sum(len(find(type_, subject=reference)) for type_ in ("Encounter", "Observation", "DiagnosticReport"))
        for reference in references
    }


def feed(program: Program, subject: str) -> list[str]:
    """What the feed told of a record, so far."""
    found, cursor = [], "0"
    with program.client() as client:
        while page := client.get("/events", params={"cursor": cursor, "limit": 1000}, headers={"Accept": "application/json"}).json():
            found += [one["type"].removeprefix("penstock.resource.") for one in page if one["subject"] == subject]
            cursor = page[-1]["sequence"].lstrip("0")
    return found


@pytest.mark.req("MP-05", "V2-05")
def test_a_merge_leads_references_to_the_survivor_and_an_unmerge_leads_them_back(program: Program, find: Find) -> None:
    send(
        program,
        adt("U1", "A01", "20250601080000", mrn="M1", visit="VM1"),
        adt("U2", "A01", "20250601080100", mrn="M2", visit="VM2"),
        oru("U3", "20250601090000", mrn="M2", value="4.1", status="F").replace(b"P77", b"PU1").replace(b"F77", b"FU1"),
    )
    one, two = (f"Patient/{patient(find, mrn)['id']}" for mrn in ("M1", "M2"))
    before = {kind: find(kind, subject=two) for kind in ("Encounter", "Observation", "DiagnosticReport")}
    assert whose(find, one, two) == {one: 1, two: 3}

    send(program, shift("U4", "A40", "20250601100000", pid("M1"), mrg("M2")))
    prior, survivor = patient(find, "M2"), patient(find, "M1")
    assert (prior["active"], links(prior), links(survivor)) == (False, {("replaced-by", one)}, {("replaces", two)})
    assert whose(find, one, two) == {one: 4, two: 0}

    send(program, adt("U5", "A01", "20250601110000", mrn="M2", visit="VM3"))  # a system that has not heard of the merge
    assert whose(find, one, two) == {one: 5, two: 0}

    send(program, shift("U6", "A37", "20250601120000", pid("M1"), pid("M2").replace("PID|1", "PID|2")))
    prior, survivor = patient(find, "M2"), patient(find, "M1")
    assert ("active" in prior, links(prior), links(survivor)) == (False, set(), set())
    assert whose(find, one, two) == {one: 1, two: 4}
    for kind, resources in before.items():
        again = {resource["id"]: resource for resource in find(kind, subject=two)}
        for resource in resources:
            assert {**again[resource["id"]], "meta": None} == {**resource, "meta": None}
            assert again[resource["id"]]["meta"]["versionId"] == str(int(resource["meta"]["versionId"]) + 2), "the history is complete"
    assert [name for name in feed(program, two) if name in ("merged", "unmerged")] == ["merged", "unmerged"]
    with program.client() as client:
        elements = client.get(f"/admin/v1/lineage/Encounter/{before['Encounter'][0]['id']}").json()["elements"]
    assert {"element": "subject", "rule": "shift", "source": "A37"}.items() <= next(e for e in elements if e["rule"] == "shift").items()


@pytest.mark.req("MP-05")
@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5])
def test_a_chain_of_merges_ends_the_same_in_every_order(program: Program, find: Find, order: tuple[int, ...]) -> None:
    tag = "".join(map(str, order))
    a, b, c = (f"C{letter}{tag}" for letter in "ABC")
    messages = [
        adt(f"{tag}1", "A01", "20250601080000", mrn=a, visit=f"V{tag}"),
        shift(f"{tag}2", "A40", "20250601090000", pid(b), mrg(a)),
        shift(f"{tag}3", "A40", "20250601100000", pid(c), mrg(b)),
        adt(f"{tag}4", "A28", "20250601110000", mrn=c, visit=""),
    ]
    send(program, *(messages[place] for place in order), messages[order[0]])
    first, second, third = (patient(find, mrn) for mrn in (a, b, c))
    reference = {one["identifier"][0]["value"]: f"Patient/{one['id']}" for one in (first, second, third)}
    assert links(first) == {("replaced-by", reference[b])}
    assert links(second) == {("replaces", reference[a]), ("replaced-by", reference[c])}
    assert links(third) == {("replaces", reference[b])}
    assert [one.get("active") for one in (first, second, third)] == [False, False, None]
    (visit,) = find("Encounter", identifier=f"urn:id:ELMS|V{tag}")
    assert visit["subject"]["reference"] == reference[c]
    assert first["name"][0]["family"] == "Quarrington"


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_of_merges_in_a_circle_the_newest_one_says_who_survives(program: Program, find: Find, order: tuple[int, ...]) -> None:
    tag = "".join(map(str, order))
    a, b = f"XA{tag}", f"XB{tag}"
    messages = [
        adt(f"X{tag}1", "A01", "20250601080000", mrn=b, visit=f"VX{tag}"),
        shift(f"X{tag}2", "A40", "20250601090000", pid(b), mrg(a)),
        shift(f"X{tag}3", "A40", "20250601100000", pid(a), mrg(b)),
    ]
    send(program, *(messages[place] for place in order))
    first, second = patient(find, a), patient(find, b)
    assert links(first) == {("replaces", f"Patient/{second['id']}")}
    assert links(second) == {("replaced-by", f"Patient/{first['id']}")}
    assert (first.get("active"), second["active"]) == (None, False)
    (visit,) = find("Encounter", identifier=f"urn:id:ELMS|VX{tag}")
    assert visit["subject"]["reference"] == f"Patient/{first['id']}"


def test_an_unlink_that_arrives_before_its_merge_undoes_it(program: Program, find: Find) -> None:
    send(
        program,
        adt("W1", "A01", "20250601080000", mrn="W2", visit="VW2"),
        shift("W2", "A37", "20250601120000", pid("W1"), pid("W2").replace("PID|1", "PID|2")),
        shift("W3", "A40", "20250601100000", pid("W1"), mrg("W2")),
    )
    prior = patient(find, "W2")
    assert ("active" in prior, links(prior)) == (False, set())
    (visit,) = find("Encounter", identifier="urn:id:ELMS|VW2")
    assert visit["subject"]["reference"] == f"Patient/{prior['id']}"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_visit_that_ends_in_another_one_hands_over_what_refers_to_it(program: Program, find: Find, order: tuple[int, ...]) -> None:
    tag = "".join(map(str, order))
    keep, end = f"VK{tag}", f"VE{tag}"
    result = oru(f"K{tag}", "20250601090000", mrn=f"K{tag}", value="4.1", status="F").replace(b"F77", f"FK{tag}".encode())
    result = result.replace(b"P77", f"PK{tag}".encode()).replace(b"\rORC", f"\r{pv1(end)}\rORC".encode())
    merge = shift(f"K{tag}2", "A42", "20250601100000", pid(f"K{tag}"), mrg(f"K{tag}", visit=end), pv1(keep))
    send(program, *((result, merge)[place] for place in order))
    (kept,), (ended,) = find("Encounter", identifier=f"urn:id:ELMS|{keep}"), find("Encounter", identifier=f"urn:id:ELMS|{end}")
    assert (ended["status"], ended["partOf"]["reference"]) == ("entered-in-error", f"Encounter/{kept['id']}")
    (observation,) = find("Observation", encounter=f"Encounter/{kept['id']}")
    assert find("Observation", encounter=f"Encounter/{ended['id']}") == []
    assert observation["encounter"]["reference"] == f"Encounter/{kept['id']}"


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_a_visit_that_moves_takes_along_what_belongs_to_it(program: Program, find: Find, order: tuple[int, ...]) -> None:
    tag = "".join(map(str, order))
    wrong, right, visit = f"LW{tag}", f"LR{tag}", f"VL{tag}"
    result = oru(f"L{tag}1", "20250601090000", mrn=wrong, value="4.1", status="F").replace(b"F77", f"FL{tag}".encode())
    result = result.replace(b"P77", f"PL{tag}".encode()).replace(b"\rORC", f"\r{pv1(visit)}\rORC".encode())
    messages = [
        result,
        shift(f"L{tag}2", "A45", "20250601100000", pid(right, f"AR{tag}"), mrg(wrong, f"AW{tag}", visit), pv1(visit)),
        adt(f"L{tag}3", "A08", "20250601110000", mrn=wrong, visit=visit),  # a system that has not heard of the move
    ]
    send(program, *(messages[place] for place in order))
    (encounter,) = find("Encounter", identifier=f"urn:id:ELMS|{visit}")
    moved = f"Patient/{patient(find, right)['id']}"
    assert encounter["subject"]["reference"] == moved
    (account,) = find("Account", identifier=f"urn:id:ELMS|AR{tag}")
    assert [one["reference"] for one in encounter["account"]] == [f"Account/{account['id']}"]
    (observation,) = find("Observation", encounter=f"Encounter/{encounter['id']}")
    assert observation["subject"]["reference"] == moved


def test_an_account_that_moves_takes_along_its_visits_and_what_belongs_to_them(program: Program, find: Find) -> None:
    visit = adt("N1", "A01", "20250601080000", mrn="N1", visit="VN1").replace(b"|F\rPV1", b"|F||||||||||AN1^^^ELMS^AN\rPV1")
    result = oru("N2", "20250601090000", mrn="N1", value="4.1", status="F").replace(b"F77", b"FN1").replace(b"P77", b"PN1")
    send(program, visit, result.replace(b"\rORC", f"\r{pv1('VN1')}\rORC".encode()))
    send(program, shift("N3", "A44", "20250601100000", pid("N2", "AN1"), mrg("N1", "AN1")))
    moved = f"Patient/{patient(find, 'N2')['id']}"
    (account,) = find("Account", identifier="urn:id:ELMS|AN1")
    (encounter,) = find("Encounter", identifier="urn:id:ELMS|VN1")
    (observation,) = find("Observation", encounter=f"Encounter/{encounter['id']}")
    assert [one["reference"] for one in account["subject"]] == [moved]
    assert (encounter["subject"]["reference"], observation["subject"]["reference"]) == (moved, moved)


def test_accounts_that_merge_are_one_for_their_visits(program: Program, find: Find) -> None:
    visit = adt("O1", "A01", "20250601080000", mrn="O1", visit="VO1").replace(b"|F\rPV1", b"|F||||||||||AO1^^^ELMS^AN\rPV1")
    send(program, visit, shift("O2", "A41", "20250601090000", pid("O1", "AO2"), mrg("O1", "AO1")))
    (kept,), (ended,) = find("Account", identifier="urn:id:ELMS|AO2"), find("Account", identifier="urn:id:ELMS|AO1")
    (encounter,) = find("Encounter", identifier="urn:id:ELMS|VO1")
    assert (kept["status"], ended["status"], ended["partOf"]["reference"]) == ("active", "inactive", f"Account/{kept['id']}")
    assert [one["reference"] for one in encounter["account"]] == [f"Account/{kept['id']}"]


@pytest.mark.parametrize("late", [False, True])
def test_a_record_whose_number_changes_is_the_same_record(program: Program, find: Find, late: bool) -> None:
    tag = "L" if late else "E"
    before = adt(f"Q{tag}1", "A01", "20250601080000", mrn=f"QO{tag}", visit=f"VQO{tag}")
    person = shift(f"Q{tag}2", "A47", "20250601090000", pid(f"QN{tag}"), mrg(f"QO{tag}"))
    visit = shift(f"Q{tag}3", "A50", "20250601090100", pid(f"QN{tag}"), mrg(f"QN{tag}", visit=f"VQO{tag}"), pv1(f"VQN{tag}"))
    after = adt(f"Q{tag}4", "A03", "20250602080000", mrn=f"QN{tag}", visit=f"VQN{tag}")
    send(program, *((person, visit, after, before) if late else (before, person, visit, after)))
    (found,) = find("Patient", identifier=f"urn:id:ELMS|QN{tag}")
    assert [one["value"] for one in found["identifier"]] == [f"QN{tag}"]
    assert find("Patient", identifier=f"urn:id:ELMS|QO{tag}") == []
    (encounter,) = find("Encounter", identifier=f"urn:id:ELMS|VQN{tag}")
    assert find("Encounter", identifier=f"urn:id:ELMS|VQO{tag}") == []
    assert (encounter["status"], encounter["subject"]["reference"]) == ("finished", f"Patient/{found['id']}")
    assert encounter["period"] == {"start": "2025-06-01T08:00:00+00:00", "end": "2025-06-02T08:00:00+00:00"}


def test_a_change_to_a_number_in_use_is_a_merge(program: Program, find: Find) -> None:
    send(
        program,
        adt("R1", "A01", "20250601080000", mrn="RO", visit="VRO"),
        adt("R2", "A28", "20250601080000", mrn="RN", visit=""),
        shift("R3", "A47", "20250601090000", pid("RN"), mrg("RO")),
    )
    new = patient(find, "RN")
    (visit,) = find("Encounter", identifier="urn:id:ELMS|VRO")
    assert {type_ for type_, _ in links(new)} == {"replaces"}
    assert visit["subject"]["reference"] == f"Patient/{new['id']}"


def test_linked_persons_see_each_other_until_they_are_unlinked(program: Program, find: Find) -> None:
    both = (pid("T1"), pid("T2").replace("PID|1", "PID|2"))
    send(program, shift("T1", "A24", "20250601080000", *both))
    assert {type_ for type_, _ in links(patient(find, "T1")) | links(patient(find, "T2"))} == {"seealso"}
    send(program, shift("T2", "A37", "20250601090000", *both))
    assert links(patient(find, "T1")) | links(patient(find, "T2")) == set()


def test_patients_who_swap_beds_are_where_the_other_one_was(program: Program, find: Find) -> None:
    places = {"Y1": "AMU^1^A", "Y2": "CARD^5^B"}
    send(program, *(adt(f"Y{mrn}", "A01", "20250601080000", mrn=mrn, visit=f"V{mrn}", place=place) for mrn, place in places.items()))
    one, two = (pv1(f"V{mrn}").replace("AMU^1^A", places[other]) for mrn, other in (("Y1", "Y2"), ("Y2", "Y1")))
    send(program, shift("Y3", "A17", "20250602080000", pid("Y1"), one, pid("Y2").replace("PID|1", "PID|2"), two))
    (first,), (second,) = (find("Encounter", identifier=f"urn:id:ELMS|V{mrn}") for mrn in places)
    assert [place["status"] for place in first["location"]] == ["completed", "active"]
    assert first["location"][1]["location"] == second["location"][0]["location"]
    assert second["location"][1]["location"] == first["location"][0]["location"]
    assert first["location"][0]["period"]["end"] == second["location"][1]["period"]["start"] == "2025-06-02T08:00:00+00:00"
