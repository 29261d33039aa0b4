"""From bytes to an Arrival: pure, and never an exception."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import MEANINGS, Problem
from penstock.inbox import digest
from penstock.ingress import MLLP, Interface
from penstock.ingress.arrival import MOST_KEYS, Arrived, Sender, arrive, outcome
from tests.ingress_door import adt

NOW = datetime(2025, 4, 13, tzinfo=UTC)


def arrived(data: bytes, interface: Interface = MLLP, **more: Any) -> Arrived:
    return arrive(data, interface, sender=Sender("192.0.2.1"), now=NOW, trace_id="0" * 32, **more)


def test_an_arrival_says_who_sent_what_and_when() -> None:
    found = arrived(adt(1)).arrival
    assert (found.interface, found.source, found.control_id, found.type, found.trigger) == ("mllp", "APP|FAC", "M1", "ADT", "A01")
    assert (found.hash, found.raw, found.received_at, found.state) == (digest(adt(1)), adt(1), NOW, "ready")


def test_the_lane_is_one_patient_of_one_source() -> None:
    lane = arrived(adt(1, patient="a")).arrival.lane
    assert arrived(adt(2, patient="a")).arrival.lane == lane
    assert arrived(adt(2, patient="b")).arrival.lane != lane
    assert arrived(adt(2, patient="a").replace(b"FAC", b"OTHER")).arrival.lane != lane


def test_a_message_without_a_patient_is_in_the_lane_of_its_source() -> None:
    data = b"MSH|^~\\&|%b|F|||||ORM^O01|1|P|2.5\rORC|NW|1\r"
    assert arrived(data % b"A").arrival.lane == arrived(data % b"A" + b"ORC|NW|2\r").arrival.lane
    assert arrived(data % b"A").arrival.lane != arrived(data % b"B").arrival.lane


def test_a_sender_that_does_not_name_itself_is_its_host() -> None:
    assert arrived(b"MSH|^~\\&|||||||ADT^A01|1|P|2.5\r").arrival.source == "192.0.2.1"
    assert arrived(b"junk").arrival.source == "192.0.2.1"


def test_null_and_blank_identifiers_are_none() -> None:
    keys = arrived(b'MSH|^~\\&|A|B|||||ADT^A01|1|P|2.5\rPID|1||""^^^A~ ~7||x\r').arrival.keys
    assert keys == (("control", "1"), ("patient", "7"))


def test_a_message_in_utf_16_is_read_where_nothing_frames_it() -> None:
    found = arrived(adt(1).decode().encode("utf-16")).arrival
    assert (found.problem, found.control_id, found.keys[1]) == (None, "M1", ("patient", "p1"))


def test_so_many_identifiers_are_kept_and_no_more() -> None:
    data = adt(1) + b"".join(b"OBR|%d|P%d\r" % (number, number) for number in range(1000))
    assert len(arrived(data).arrival.keys) == MOST_KEYS + 1


@pytest.mark.parametrize(
    ("data", "code", "at"),
    [
        (b"", "structure", "MSH"),
        (b"junk", "structure", "MSH"),
        (b"MSH|^~\\&|A|B|||||ADT^A01||P|2.5\r", "required", "MSH-10"),
        (b"MSH|^~\\&|A|B|||||ADT^A01|" + b"1" * 200 + b"|P|2.5\r", "too-long", "MSH-10"),
        (b"MSH|^~\\&|A|B|||||ADT^A01|a\x01b|P|2.5\r", "invalid", "MSH-10"),
        (b"MSH|^~\\&|A|B||||||1|P|2.5\r", "required", "MSH-9"),
        (b"MSH|^~\\&|A|B|||||ADT^A01|1|P|3.0\r", "not-supported", "MSH-12"),
        (adt(1).replace(b"Ada", b"\xff"), "invalid", "MSH-18"),
        (adt(1).replace(b"Ada", b"A\0a"), "invalid", ""),
        (adt(1).replace(b"Ada", b"A\ra"), "structure", "PID"),
    ],
)
def test_bad_input_is_kept_with_its_problem(data: bytes, code: str, at: str) -> None:
    found = arrived(data).arrival
    assert found.problem is not None
    assert (found.state, found.raw, found.problem.code, found.problem.at) == ("quarantined", data, code, at)


@pytest.mark.parametrize(
    "version", [b"2.1", b"2.2", b"2.3", b"2.3.1", b"2.4", b"2.5", b"2.5.1", b"2.6", b"2.7.1", b"2.8", b"2.8.2", b"2.9", b""]
)
@pytest.mark.req("V2-18")
def test_every_version_2_is_taken(version: bytes) -> None:
    assert arrived(adt(1).replace(b"|2.5\r", b"|" + version + b"\r")).arrival.problem is None


def test_a_check_that_fails_by_a_defect_quarantines_the_message_without_its_words() -> None:
    def check(*_: object) -> Problem | None:
        raise ValueError("Testfall^Ada")

    found = arrived(adt(1), check=check).arrival
    assert found.problem is not None
    assert (found.state, found.problem.text) == ("quarantined", "unexpected ValueError")


@pytest.mark.parametrize(
    ("code", "at", "expected"),
    [
        (None, "", "accepted"),
        ("structure", "", "rejected"),
        ("too-long", "", "rejected"),
        ("required", "MSH-10", "rejected"),
        ("structure", "PID", "error"),
        ("transient", "", "error"),
        ("exception", "", "error"),
        ("not-supported", "MSH-12", "rejected"),
    ],
)
def test_the_outcome_follows_from_the_problem_alone(code: str | None, at: str, expected: str) -> None:
    assert outcome(Problem(code, "x", at=at) if code else None, MLLP) == expected


@pytest.mark.req("V2-03")
def test_what_no_table_maps_is_answered_as_the_interface_says_and_by_default_never_accepted() -> None:
    unmapped = Problem("not-supported", "no table maps this", at="MSH-9.2")
    policies = {policy: outcome(unmapped, Interface(name="x", unmappable=policy)) for policy in ("reject", "error", "accept")}  # type: ignore[arg-type]
    assert policies == {"reject": "rejected", "error": "error", "accept": "accepted"}
    assert outcome(unmapped, MLLP) == "error"


def test_only_no_problem_is_accepted() -> None:
    assert all(outcome(Problem(code, "x", at=at), MLLP) != "accepted" for code in MEANINGS for at in ("", "MSH-9", "PID-3"))


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda junk: b"MSH|^~\\&|A|B|||||ADT^A01|1|P|2.5\rPID|" + junk))
def test_any_bytes_are_an_arrival(data: bytes) -> None:
    found = arrived(data).arrival
    assert (found.state == "quarantined") == (found.problem is not None)
    assert found.problem is None or found.problem.code != "exception"
    assert found.raw == data
