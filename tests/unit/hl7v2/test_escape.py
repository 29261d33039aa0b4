"""Escape sequences: HL7 v2.5 section 2.7."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import Problem
from penstock.formats.hl7v2 import STANDARD, Delimiters, build, encode, escape, parse, render, unescape

TRUNCATING = Delimiters(truncation="#")
CUSTOM = Delimiters("!", "@", "$", "%", "*")


@given(st.text(), st.sampled_from([STANDARD, TRUNCATING, CUSTOM]))
def test_what_is_escaped_comes_back(text: str, delimiters: Delimiters) -> None:
    assert unescape(escape(text, delimiters), delimiters) == text


@given(st.text(), st.sampled_from([STANDARD, TRUNCATING, CUSTOM]))
def test_escaped_text_holds_no_delimiter_and_no_control_character(text: str, delimiters: Delimiters) -> None:
    written = escape(text, delimiters)
    assert not set(written) & {delimiters.field, delimiters.component, delimiters.repetition, delimiters.subcomponent}
    assert not any(ord(character) < 32 and character != "\t" for character in written)


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_no_content_can_create_a_segment_or_a_field(values: list[str]) -> None:
    head = ("MSH", ["APP", "FAC", "APP", "FAC", "20250101", None, ("ADT", "A01"), "1", "P", "2.5"])
    built = build([head, ("PID", ["1", *values])])
    again = parse(encode(built).decode() if built.source is None else encode(built))
    assert [segment.name for segment in again.segments] == ["MSH", "PID"]
    assert len(again.segments[1].fields) <= len(values) + 2
    assert [again.get(f"PID-{number}") for number in range(2, len(values) + 2)] == values


@pytest.mark.parametrize(
    ("written", "meaning"),
    [
        (r"a\F\b\S\c\R\d\T\e\E\f", r"a|b^c~d&e\f"),
        (r"\E\F\E\ ", "\\F\\ "),
        (r"line\X0D0A\end", "line\r\nend"),
        (r"\X41\\X42\ ", "AB "),
        (r"\X4\ \XZZ\ \X\ ", r"\X4\ \XZZ\ \X\ "),
        (r"one\.br\two\H\bold\N\ ", r"one\.br\two\H\bold\N\ "),
        (r"\C2842\ \M2A2842\ \Zlocal\ ", r"\C2842\ \M2A2842\ \Zlocal\ "),
        ("no end \\F", "no end \\F"),
        ("\\", "\\"),
        (r"\P\ ", r"\P\ "),
        ("", ""),
    ],
)
def test_an_escape_sequence_means_what_the_standard_says_and_an_unknown_one_stays(written: str, meaning: str) -> None:
    assert unescape(written) == meaning


def test_the_truncation_character_is_known_only_where_it_is_defined() -> None:
    assert unescape("\\P\\", TRUNCATING) == "#"


def test_hexadecimal_bytes_are_read_in_the_character_set_of_the_message() -> None:
    assert unescape("\\XC3A9\\", STANDARD, "utf-8") == "é"
    assert unescape("\\XE9\\", STANDARD, "iso8859_1") == "é"
    assert unescape("\\XC3A9\\") == "\\XC3A9\\"
    assert unescape("\\XFF\\", STANDARD, "utf-8") == "\\XFF\\"


def test_formatting_becomes_plain_text_only_when_asked() -> None:
    assert render(r"one\.br\two\.sp2\three\H\loud\N\\.in+5\ \F\ \Zx\ ") == "one\ntwo\n\nthreeloud | \\Zx\\ "


def test_a_message_without_an_escape_character_cannot_hold_a_delimiter() -> None:
    bare = Delimiters(escape="", subcomponent="")
    assert unescape("\\F\\", bare) == "\\F\\"
    assert escape("plain & \\", bare) == "plain & \\"
    with pytest.raises(Problem) as caught:
        escape("a|b", bare)
    assert caught.value.at == "MSH-2"
