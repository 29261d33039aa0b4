"""What MSH says, read without needing the rest of the message to be good (HL7 v2.5 section 2.15.9).

It serves to find, count and answer a message: also one that cannot be parsed or whose body is in a broken character set.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from penstock.errors import Problem
from penstock.formats.hl7v2 import charset as charsets
from penstock.formats.hl7v2.delimiters import STANDARD, Delimiters, delimiters
from penstock.formats.hl7v2.escape import unescape
from penstock.formats.hl7v2.message import part, parts

_END = re.compile(r"[\r\n]")
_CODE = re.compile(r"[A-Za-z0-9_]{1,20}")

#: The longest MSH that is read; a longer first segment is no header.
LONGEST = 16_384

#: Codecs in which a delimiter's byte can also be part of a letter, so that bytes cannot be cut before they are decoded.
_ENTANGLED = frozenset({"shift_jis", "iso2022_jp_ext", "gb18030", "cp949", "cp950"})


@dataclass(frozen=True)
class Header:
    """MSH. ``fields[n]`` is MSH-n as written; the named values are its parts that others need, unescaped."""

    delimiters: Delimiters = STANDARD
    fields: tuple[str, ...] = ()
    codec: str = "ascii"

    def field(self, number: int) -> str:
        """MSH field ``number`` as written; "" where there is none."""
        return self.fields[number] if number < len(self.fields) else ""

    def component(self, number: int, component: int) -> str:
        """One component of the first repetition of MSH field ``number``, unescaped."""
        first = part(self.field(number), self.delimiters.repetition, 1)
        return unescape(part(first, self.delimiters.component, component), self.delimiters, self.codec)

    @property
    def sending_application(self) -> str:
        """MSH-3.1"""
        return self.component(3, 1)

    @property
    def sending_facility(self) -> str:
        """MSH-4.1"""
        return self.component(4, 1)

    @property
    def receiving_application(self) -> str:
        """MSH-5.1"""
        return self.component(5, 1)

    @property
    def receiving_facility(self) -> str:
        """MSH-6.1"""
        return self.component(6, 1)

    @property
    def time(self) -> str:
        """MSH-7.1 as written."""
        return part(self.field(7), self.delimiters.component, 1)

    @cached_property
    def type(self) -> str:
        """MSH-9.1, such as ``ADT``; "" where it is no code."""
        return self._code(1)

    @cached_property
    def trigger(self) -> str:
        """MSH-9.2, such as ``A01``; "" where it is no code."""
        return self._code(2)

    @property
    def structure(self) -> str:
        """MSH-9.3, such as ``ADT_A01``; "" where it is no code."""
        return self._code(3)

    @cached_property
    def control_id(self) -> str:
        """MSH-10"""
        return unescape(self.field(10), self.delimiters, self.codec)

    @property
    def processing_id(self) -> str:
        """MSH-11.1: P, T or D (table 0103)."""
        return self.component(11, 1)

    @cached_property
    def version(self) -> str:
        """MSH-12.1, such as ``2.5``."""
        return self.component(12, 1).strip()

    @property
    def accept_ack(self) -> str:
        """MSH-15 (table 0155)."""
        return self.component(15, 1).strip()

    @property
    def application_ack(self) -> str:
        """MSH-16 (table 0155)."""
        return self.component(16, 1).strip()

    @property
    def charset(self) -> str:
        """MSH-18 as written, repetitions cut at ``~``."""
        return "~".join(parts(self.field(18), self.delimiters.repetition))

    def _code(self, component: int) -> str:
        value = self.component(9, component).strip()
        return value if _CODE.fullmatch(value) else ""


#: What is answered to when there is no MSH to read.
NO_HEADER = Header()


def header(data: bytes) -> Header:
    """The Header of ``data``; Problem("structure" or "invalid", at="MSH…") where there is none that can be used."""
    line = _line(data)
    if not line.startswith("MSH"):
        raise Problem("structure", "this is not an HL7 v2 message: it does not begin with MSH", at="MSH")
    if codec := charsets.wide(data):
        return _cut(line, codec)
    found = _cut(line, "latin-1")
    codec = _codec(found)
    return _redecoded(line, found, codec) if codec in _ENTANGLED or not line.isascii() else found


def _line(data: bytes) -> str:
    """The first segment, one character a byte (or decoded, where a character is more than one byte)."""
    if codec := charsets.wide(data):
        return _END.split(data[: 4 * LONGEST].decode(codec, "ignore").lstrip("\ufeff \t\r\n"), maxsplit=1)[0]
    start = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    while data[start : start + 1] in (b" ", b"\t", b"\r", b"\n"):
        start += 1
    stop = data.find(b"\r", start, start + LONGEST)
    if stop < 0:
        stop = data.find(b"\n", start, start + LONGEST)
    line = data[start : stop if stop >= 0 else start + LONGEST]
    return line.decode("latin-1")


def _cut(line: str, codec: str) -> Header:
    separator = line[3:4]
    fields = line.split(separator) if separator else [line]
    cuts = delimiters(separator, fields[1] if len(fields) > 1 else "")
    return Header(cuts, ("MSH", separator, *fields[1:]), codec)


def _codec(found: Header) -> str:
    """The codec that MSH-18 declares; latin-1, which changes no byte, where that is unknown or cannot be true."""
    try:
        codec = charsets.codec(found.charset) if found.charset.strip("~ ") else "utf-8"
    except Problem:
        return "latin-1"
    return "latin-1" if codec.startswith(("utf-16", "utf-32")) else codec


def _redecoded(line: str, found: Header, codec: str) -> Header:
    """The header read in its own character set, where its bytes are text in that; else as it was: byte by byte."""
    try:
        return _cut(line.encode("latin-1").decode(codec), codec)
    except (UnicodeError, ValueError):
        return found
