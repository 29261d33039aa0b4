"""Character sets: table 0211, and never a guess."""

from __future__ import annotations

import pytest

from penstock.errors import Problem
from penstock.formats.hl7v2 import encode, header, parse

NAMES = {
    "ASCII": ("Smith", "ascii"),
    "8859/1": ("Müller", "iso8859_1"),
    "8859/2": ("Łódź", "iso8859_2"),
    "8859/5": ("Иванов", "iso8859_5"),
    "8859/7": ("Ωνάσης", "iso8859_7"),
    "8859/15": ("Œuf€", "iso8859_15"),
    "UNICODE UTF-8": ("Müller 漢字 🩺 עברית", "utf-8"),
    "ISO IR87": ("山田^太郎", "iso2022_jp_ext"),
    "~ISO IR87": ("山田^太郎", "iso2022_jp_ext"),
    "ISO IR14~ISO IR87~ISO IR159": ("山田^太郎", "iso2022_jp_ext"),
    "GB 18030-2000": ("王^小明", "gb18030"),
    "BIG-5": ("許功蓋", "cp950"),
    "KS X 1001": ("김^철수", "cp949"),
}


def message(charset: str, name: str, *, app: str = "APP") -> str:
    return f"MSH|^~\\&|{app}|FAC|||20250413||ADT^A01|M1|P|2.5||||||{charset}\rPID|1||7||{name}\r"


@pytest.mark.req("V2-18")
@pytest.mark.parametrize("charset", NAMES)
def test_a_declared_character_set_is_read_and_written_back_byte_for_byte(charset: str) -> None:
    name, codec = NAMES[charset]
    data = message(charset, name).encode(codec)
    found = parse(data)
    assert found.segments[1].fields[5] == name
    assert encode(found) == data


@pytest.mark.parametrize("charset", ["BIG-5", "ISO IR87", "GB 18030-2000", "KS X 1001"])
def test_bytes_of_a_letter_that_look_like_a_delimiter_do_not_cut_the_header(charset: str) -> None:
    name, codec = NAMES[charset]
    found = header(message(charset, "x", app=name.replace("^", "")).encode(codec))
    assert (found.control_id, found.field(3)) == ("M1", name.replace("^", ""))


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_utf_16_and_utf_32_are_recognised_by_how_they_begin(codec: str) -> None:
    data = message("UNICODE UTF-16", "漢字").encode(codec)
    found = parse(data)
    assert found.get("PID-5") == "漢字"
    assert encode(found) == data
    assert header(data).control_id == "M1"


def test_a_byte_order_mark_before_utf_8_is_no_content() -> None:
    data = b"\xef\xbb\xbf" + message("UNICODE UTF-8", "é").encode()
    found = parse(data)
    assert (found.get("PID-5"), found.segments[0].name, encode(found), header(data).control_id) == ("é", "MSH", data, "M1")


def test_an_undeclared_set_is_ascii_else_utf_8_else_what_the_interface_says() -> None:
    assert parse(message("", "Smith").encode()).charset == "ascii"
    assert parse(message("", "é").encode()).charset == "utf-8"
    latin = message("", "é").encode("latin-1")
    assert parse(latin, fallback="8859/1").get("PID-5") == "é"
    with pytest.raises(Problem) as caught:
        parse(latin)
    assert (caught.value.code, caught.value.at) == ("invalid", "MSH-18")


def test_the_interface_overrides_what_is_declared() -> None:
    assert parse(message("ASCII", "é").encode("cp1252"), charset="windows-1252").get("PID-5") == "é"


@pytest.mark.parametrize(
    ("declared", "data"),
    [
        ("ASCII", "é".encode()),
        ("UNICODE UTF-8", b"\xe9"),
        ("UNICODE UTF-8", b"\xed\xa0\x80"),
        ("8859/1", "é".encode()),
        ("8859/1", b"\x93smart\x94"),
        ("ISO IR87", b"\x1b$B\xff"),
    ],
)
def test_bytes_that_contradict_the_declared_set_are_a_problem_and_never_a_replacement(declared: str, data: bytes) -> None:
    with pytest.raises(Problem) as caught:
        parse(message(declared, "@").encode().replace(b"@", data))
    assert (caught.value.code, caught.value.at) == ("invalid", "MSH-18")


@pytest.mark.parametrize("declared", ["CNS 11643-1992", "KLINGON", "rot13", "base64", "idna\0"])
def test_an_unknown_set_is_a_problem(declared: str) -> None:
    with pytest.raises(Problem) as caught:
        parse(message(declared, "x").encode())
    assert (caught.value.code, caught.value.at) == ("not-supported", "MSH-18")
    assert header(message(declared, "x").encode()).control_id == "M1"
