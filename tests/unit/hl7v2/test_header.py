"""The header is read without needing the rest to be good."""

from __future__ import annotations

import pytest

from penstock.errors import Problem
from penstock.formats.hl7v2 import header

LINE = "MSH|^~\\&|APP^1.2^ISO|FAC|TO|THERE|20250413093000||ADT^A01^ADT_A01|A\\F\\1|P^T|2.5.1^DEU|||AL|NE||UNICODE UTF-8~ISO IR87"


def test_the_header_names_what_others_need() -> None:
    found = header(LINE.encode() + b"\rPID|1")
    assert (found.type, found.trigger, found.structure) == ("ADT", "A01", "ADT_A01")
    assert (found.sending_application, found.sending_facility) == ("APP", "FAC")
    assert (found.receiving_application, found.receiving_facility) == ("TO", "THERE")
    assert (found.control_id, found.processing_id, found.version) == ("A|1", "P", "2.5.1")
    assert (found.accept_ack, found.application_ack, found.time) == ("AL", "NE", "20250413093000")
    assert found.charset == "UNICODE UTF-8~ISO IR87"
    assert found.field(99) == ""


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b""])
def test_the_body_may_be_anything(end: bytes) -> None:
    assert header(LINE.encode() + end + b"\xff\xfe\x00junk\x1c" * bool(end)).type == "ADT"


@pytest.mark.parametrize("before", [b"", b"\r\n", b"\xef\xbb\xbf", b" \n"])
def test_blanks_before_the_header_are_no_harm(before: bytes) -> None:
    assert header(before + LINE.encode()).type == "ADT"


def test_a_header_whose_bytes_are_not_in_its_character_set_is_read_byte_by_byte() -> None:
    found = header(b"MSH|^~\\&|\xff|FAC|||||ADT^A01|1|P|2.5||||||UNICODE UTF-8\r")
    assert (found.control_id, found.field(3).encode(found.codec)) == ("1", b"\xff")


def test_a_message_type_that_is_no_code_is_not_passed_on() -> None:
    found = header(b"MSH|^~\\&|A|B|||||Smith John; drop^A 1|1|P|2.5\r")
    assert (found.type, found.trigger, found.structure) == ("", "", "")


@pytest.mark.parametrize("data", [b"", b"MS", b"PID|1", b"<xml/>", b"\x00\x00", b"ISA*00*", b"\xff\xfe", "ＭＳＨ|".encode()])
def test_what_has_no_header_is_a_problem(data: bytes) -> None:
    with pytest.raises(Problem) as caught:
        header(data)
    assert caught.value.at.startswith("MSH")


def test_an_endless_first_segment_is_read_only_so_far() -> None:
    assert len(header(LINE.encode() + b"|" + b"x" * 10**6).fields[-1]) < 20_000
