"""Acknowledgements: which code, and what is written."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import MEANINGS, Problem
from penstock.formats.hl7v2 import NO_HEADER, acknowledge, answer_code, header, parse
from penstock.formats.hl7v2.ack import TABLE_0357

NOW = datetime(2025, 4, 13, 9, 30, tzinfo=UTC)
MISSING = Problem("required", "the patient has no identifier", at="PID-3[2].4")


def ack(line: str, code: str = "AA", problem: Problem | None = None) -> str:
    return acknowledge(header(line.encode()), code, problem=problem, now=NOW, control_id="77").decode()


@pytest.mark.req("V2-02")
@pytest.mark.parametrize(
    ("accept", "application", "answers"),
    [
        ("", "", ("AA", "AE", "AR")),
        ("AL", "", ("CA", "CE", "CR")),
        ("AL", "AL", ("CA", "CE", "CR")),
        ("NE", "NE", (None, None, None)),
        ("NE", "AL", ("AA", "AE", "AR")),
        ("", "AL", ("AA", "AE", "AR")),
        ("SU", "", ("CA", None, None)),
        ("ER", "", (None, "CE", "CR")),
        ("ER", "SU", ("AA", "CE", "CR")),
        ("NE", "ER", (None, "AE", "AR")),
        ("al", "", ("CA", "CE", "CR")),
        ("??", "", ("CA", "CE", "CR")),
    ],
)
def test_the_answer_is_the_one_that_the_header_asks_for(accept: str, application: str, answers: tuple[str | None, ...]) -> None:
    assert tuple(answer_code(accept, application, outcome) for outcome in ("accepted", "error", "rejected")) == answers


def test_once_a_message_is_processed_its_application_answer_comes_first() -> None:
    assert answer_code("AL", "AL", "accepted", processed=True) == "AA"
    assert answer_code("AL", "NE", "error", processed=True) == "CE"


def test_an_acknowledgement_swaps_the_sides_and_echoes_the_control_id() -> None:
    assert ack("MSH|^~\\&|APP|FAC|TO|THERE|20250413||ADT^A01^ADT_A01|M\\F\\1|P|2.5||||||8859/1") == (
        "MSH|^~\\&|TO|THERE|APP|FAC|20250413093000+0000||ACK^A01^ACK|77|P|2.5||||||8859/1\rMSA|AA|M\\F\\1\r"
    )


def test_an_error_names_the_place_and_the_condition() -> None:
    lines = ack("MSH|^~\\&|APP|FAC|||20250413||ADT^A01|M1|P|2.5", "AE", MISSING).split("\r")
    assert lines[1] == "MSA|AE|M1"
    assert lines[2] == "ERR||PID^1^3^2^4|101^Required field missing^HL70357|E|||required|the patient has no identifier"


@pytest.mark.parametrize(
    ("version", "type_"), [("2.1", "ACK"), ("2.2", "ACK^A01"), ("2.3", "ACK^A01"), ("2.3.1", "ACK^A01^ACK"), ("2.8", "ACK^A01^ACK")]
)
def test_the_message_type_of_an_acknowledgement_follows_the_version(version: str, type_: str) -> None:
    assert ack(f"MSH|^~\\&|A|B|||||ADT^A01|M1|P|{version}").split("|")[8] == type_


def test_versions_before_2_5_get_their_error_in_the_old_layout() -> None:
    lines = ack("MSH|^~\\&|A|B|||||ADT^A01|M1|P|2.3", "AE", MISSING).split("\r")
    assert lines[1] == "MSA|AE|M1|the patient has no identifier"
    assert lines[2] == "ERR|PID^1^3^101&Required field missing&HL70357"


@pytest.mark.parametrize(("at", "condition"), [("MSH-9", "200"), ("MSH-9.2", "201"), ("MSH-11", "202"), ("MSH-12", "203"), ("", "200")])
def test_what_is_not_supported_in_the_header_has_its_own_condition(at: str, condition: str) -> None:
    problem = Problem("not-supported", "no", at=at)
    assert f"|{condition}^" in ack("MSH|^~\\&|A|B|||||ADT^A01|M1|P|2.5", "AR", problem)


def test_every_meaning_is_in_table_0357() -> None:
    assert {meaning.ack for meaning in MEANINGS.values()} <= set(TABLE_0357)


def test_a_message_without_a_header_is_answered_too() -> None:
    data = acknowledge(NO_HEADER, "AR", problem=Problem("structure", "not HL7", at="MSH"), now=NOW, control_id="77").decode()
    assert data.startswith("MSH|^~\\&|||||20250413093000+0000||ACK|77|P|2.5\rMSA|AR|\rERR||MSH^1|100^")


def test_custom_and_missing_delimiters_are_used_as_the_message_uses_them() -> None:
    problem = Problem("structure", "no & in ^ here", at="PID-3")
    assert "ERR!!PID@1@3@1!100@Segment sequence error@HL70357!E!!!structure!no & in ^ here" in ack(
        "MSH!@$%*!A!B!!!!!ADT@A01!M1!P!2.5", "AE", problem
    )
    assert ack("MSH|^|A|B|||||ADT^A01|M1|P|2.5", "AE", problem).endswith("|structure|no & in   here\r")
    assert ack("MSH|^|A|B|||||ADT^A01|M1|P|2.3", "AE", problem).endswith("ERR|PID^1^3^100\r")


@given(st.binary(max_size=80), st.sampled_from(["", "8859/1", "UNICODE UTF-8", "ISO IR87", "BIG-5", "KLINGON"]))
def test_nothing_in_a_header_can_add_a_segment_to_its_acknowledgement(junk: bytes, charset: str) -> None:
    data = b"MSH|^~\\&|A|" + junk + b"||||ADT^A01|" + junk + b"|P|2.5||||||" + charset.encode() + b"\rPID|1\r"
    try:
        found = header(data)
    except Problem:
        return
    answer = acknowledge(found, "AE", problem=MISSING, now=NOW, control_id="1").decode(found.codec, "replace")
    assert [line[:3] for line in answer.split("\r")] == ["MSH", "MSA", "ERR", ""]
    assert answer.split("\r")[1].count("|") == 2
    assert not any(character < " " and character not in "\r\x1b\t" for character in answer)


def test_the_control_id_comes_back_byte_for_byte() -> None:
    for codec, declared in (("iso8859_1", "8859/1"), ("utf-8", "UNICODE UTF-8"), ("cp950", "BIG-5"), ("utf-16-le", "UNICODE UTF-16")):
        data = f"MSH|^~\\&|A|B|||||ADT^A01|M1{'ü' if codec != 'cp950' else '功'}|P|2.5||||||{declared}\rPID|1\r".encode(codec)
        answer = acknowledge(header(data), "AA", now=NOW, control_id="1")
        assert parse(answer).get("MSA-2") == parse(data).get("MSH-10")


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-32-be"])
def test_a_message_in_utf_16_or_utf_32_is_answered_in_that(codec: str) -> None:
    data = "MSH|^~\\&|A|B|||||ADT^A01|M1|P|2.5\rPID|1\r".encode(codec)
    answer = acknowledge(header(data), "AA", now=NOW, control_id="1")
    assert answer.decode(codec).endswith("\rMSA|AA|M1\r")


def test_a_message_that_only_says_that_it_is_utf_16_is_answered_as_it_was_written() -> None:
    for name in (b"A", b"\xe9"):
        data = b"MSH|^~\\&|" + name + b"|B|||||ADT^A01|M1|P|2.5||||||UNICODE UTF-16\r"
        assert acknowledge(header(data), "AE", now=NOW, control_id="1").split(b"|")[4] == name
