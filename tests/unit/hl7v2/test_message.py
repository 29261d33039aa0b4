"""The lazy parser: segments, fields, paths, and bytes that come back as they were."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from penstock.errors import Problem
from penstock.formats.hl7v2 import NULL, Message, encode, header, parse, split_batch

MSH = "MSH|^~\\&|APP|FAC|||20250413||ADT^A01|1|P|2.5"
FULL = (
    f"{MSH}\r"
    'PID|1||111^^^A&1.2&ISO^MR~222^^^B||Sm\\T\\ith^John^Paul~Alias||19850315|M||""\r'
    "OBX|1|ST|A||first\rOBX|2|ST|B||second\\F\\\rOBX|3|NM|C||\r"
)


def parsed(text: str) -> Message:
    return parse(text.encode())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("PID-3", "111"),
        ("PID-3.4", "A"),
        ("PID-3.4.2", "1.2"),
        ("PID-3[2]", "222"),
        ("PID-3[2].4.2", ""),
        ("PID-3[3]", ""),
        ("PID-5.1", "Sm&ith"),
        ("PID-5[2].1", "Alias"),
        ("PID-10", NULL),
        ("PID-99", ""),
        ("ZZZ-1", ""),
        ("OBX[2]-5", "second|"),
        ("OBX[4]-5", ""),
        ("MSH-1", "|"),
        ("MSH-2", "^~\\&"),
        ("MSH-9.2", "A01"),
    ],
)
def test_a_path_finds_its_value(path: str, value: str) -> None:
    assert parsed(FULL).get(path) == value


@pytest.mark.parametrize("path", ["", "PID", "pid-3", "PID-0", "PID-3[0]", "PID-3.x", "PID-3.1.1.1"])
def test_what_is_no_path_is_a_problem(path: str) -> None:
    with pytest.raises(Problem):
        parsed(FULL).get(path)


def test_null_is_not_the_same_as_absent() -> None:
    message = parsed(FULL)
    assert message.get("PID-10") == '""'
    assert message.get("PID-11") == ""


def test_fields_are_numbered_as_in_the_standard() -> None:
    message = parsed(FULL)
    head, person = message.segments[0], message.segments[1]
    assert (head.fields[1], head.fields[2], head.fields[9]) == ("|", "^~\\&", "ADT^A01")
    assert (person.name, person.index, person.fields[1], person.field(99)) == ("PID", 2, "1", "")
    assert [segment.index for segment in message.all("OBX")] == [3, 4, 5]
    assert message.first("ZZZ") is None


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r", "\r\n\r\n", "\n\n", "\r\t \r"])
def test_segments_end_in_carriage_return_or_line_feed_or_both(end: str) -> None:
    data = FULL.replace("\r", end).encode()
    message = parse(data)
    assert [segment.name for segment in message.segments] == ["MSH", "PID", "OBX", "OBX", "OBX"]
    assert message.get("OBX[2]-5") == "second|"
    assert encode(message) == data


def test_a_line_feed_inside_a_field_does_not_cut_where_segments_end_in_carriage_return() -> None:
    message = parsed(f"{MSH}\rNTE|1||two\nlines\nOBX|1\rPV1|1\r")
    assert [segment.name for segment in message.segments] == ["MSH", "NTE", "PV1"]
    assert message.get("NTE-3") == "two\nlines\nOBX"


def test_a_line_that_is_no_segment_has_no_name_and_keeps_its_text() -> None:
    message = parsed(f"{MSH}\rNTE|1||two\rcut lines|x\r")
    assert [segment.name for segment in message.segments] == ["MSH", "NTE", ""]
    assert message.segments[2].fields == ["cut lines", "x"]


@pytest.mark.parametrize(
    ("msh", "at"),
    [
        ("", "MSH"),
        ("PID|1", "MSH"),
        ("hello MSH|^~\\&|", "MSH"),
        ("MSH", "MSH-1"),
        ("MSHA^~\\&A", "MSH-1"),
        ("MSH ^~\\& ", "MSH-1"),
        ("MSH||", "MSH-2"),
        ("MSH|^^\\&|", "MSH-2"),
        ("MSH|^~\\&#!|", "MSH-2"),
        ("MSH|^~A&|", "MSH-2"),
        ("MSH|^~\\é|", "MSH-2"),
    ],
)
def test_an_unusable_head_is_a_problem_at_its_place(msh: str, at: str) -> None:
    with pytest.raises(Problem) as caught:
        parsed(msh)
    assert caught.value.at == at


def test_custom_delimiters_are_obeyed() -> None:
    message = parsed("MSH!@$%*!APP!FAC\rPID!1!!111@@@A*1$222!!S%F%m|th^\r")
    assert (message.get("PID-3.4.2"), message.get("PID-3[2]"), message.get("PID-5")) == ("1", "222", "S!m|th^")


def test_delimiters_that_a_message_does_not_define_are_not_used() -> None:
    message = parsed("MSH|^~|APP\rPID|1||a^b\\F\\&c~d\r")
    assert message.get("PID-3.2") == "b\\F\\&c"
    assert message.get("PID-3[2]") == "d"
    assert message.delimiters.encoding == "^~"


def test_the_truncation_character_is_a_fifth_delimiter() -> None:
    message = parsed("MSH|^~\\&#|APP\rPID|1||a\\P\\b#\r")
    assert (message.get("PID-3"), message.delimiters.truncation) == ("a#b#", "#")


def test_a_backslash_that_was_written_twice_in_the_head_counts_once() -> None:
    message = parsed("MSH|^~\\\\&|APP\rPID|1||a&b\r")
    assert (message.delimiters.escape, message.delimiters.subcomponent, message.get("PID-3.1.2")) == ("\\", "&", "b")
    assert encode(message) == b"MSH|^~\\\\&|APP\rPID|1||a&b\r"


def test_a_nul_is_refused() -> None:
    with pytest.raises(Problem) as caught:
        parsed(f"{MSH}\rPID|1||a\0b\r")
    assert caught.value.code == "invalid"


def test_a_changed_message_is_written_with_its_change() -> None:
    message = parsed(FULL)
    message.segments[1].fields[8] = "F"
    assert encode(message) == FULL.replace("|M|", "|F|").encode()


def test_a_change_that_the_character_set_cannot_hold_is_a_problem() -> None:
    message = parsed(FULL)
    message.segments[1].fields[8] = "é"
    with pytest.raises(Problem) as caught:
        encode(message)
    assert caught.value.at == "MSH-18"


@example(b"MSH|^~\\&|\nMSH")
@given(st.binary(max_size=200).map(lambda junk: b"MSH|^~\\&|" + junk) | st.binary(max_size=60) | st.binary(max_size=20).map(b"MSH".__add__))
def test_random_bytes_are_a_message_or_a_problem_and_nothing_else(data: bytes) -> None:
    for read in (parse, header):
        try:
            found = read(data)
        except Problem:
            continue
        if isinstance(found, Message):
            assert encode(found) == data
            [found.get(path) for path in ("PID-3[2].4.2", "MSH-9", "MSH-18")]
    for piece in split_batch(data).messages:
        assert piece in data or b"\x00" in data


@given(st.lists(st.text(alphabet='aé|^~\\&\n"#漢', max_size=20), max_size=8), st.sampled_from(["\r", "\r\n"]))
def test_what_is_parsed_is_encoded_byte_for_byte(lines: list[str], end: str) -> None:
    data = end.join([MSH, *(f"ZZ{number}|{line}" for number, line in enumerate(lines))]).encode()
    assert encode(parse(data)) == data
