"""A message as segments and fields, and nothing more until somebody asks (HL7 v2.5 section 2.5).

Segments end in CR. Where a message holds no CR at all, LF ends them; LF right after CR belongs to the end (CRLF). Any other
LF is content of its field: it never cuts. Empty lines are skipped. What is written back is byte for byte what came in.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from penstock.errors import Problem
from penstock.formats.hl7v2 import charset as charsets
from penstock.formats.hl7v2.delimiters import STANDARD, Delimiters, delimiters
from penstock.formats.hl7v2.escape import unescape

#: HL7 null: the sender says that the value is deleted, which is not the same as saying nothing.
NULL = '""'

#: Segments whose first field is the field separator itself.
HEADS = frozenset({"MSH", "FHS", "BHS"})

_ENDS = re.compile(r"((?:\r\n?)+)")
_LINES = re.compile(r"(\n+)")
_PATH = re.compile(r"([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?-(\d+)(?:\[(\d+)\])?(?:\.(\d+))?(?:\.(\d+))?", re.ASCII)


class Segment:
    """One segment. ``fields[n]`` is HL7 field n as written; ``name`` is "" for a line that begins with no segment name."""

    __slots__ = ("end", "fields", "index", "name")

    def __init__(self, name: str, fields: list[str], index: int, end: str = "\r") -> None:
        self.name = name
        self.fields = fields
        self.index = index
        self.end = end

    def field(self, number: int) -> str:
        """Field ``number`` as written; "" where the segment ends before it."""
        return self.fields[number] if number < len(self.fields) else ""

    def text(self, delimiters: Delimiters) -> str:
        """The segment as written, without its end."""
        if self.name in HEADS and len(self.fields) > 1:
            return self.name + self.fields[1] + delimiters.field.join(self.fields[2:])
        return delimiters.field.join(self.fields)


class Path(NamedTuple):
    """``PID-3[2].4.2``: segment name and occurrence, field, repetition, component, subcomponent; all count from 1."""

    segment: str
    occurrence: int
    field: int
    repetition: int
    component: int
    subcomponent: int


class Message:
    """One message: its text, what cuts it, and its segments."""

    __slots__ = ("_by_name", "charset", "delimiters", "lead", "segments", "source", "text")

    def __init__(
        self, text: str, delimiters: Delimiters, segments: list[Segment], *, charset: str, source: bytes | None = None, lead: str = ""
    ) -> None:
        self.text = text
        self.delimiters = delimiters
        self.segments = segments
        self.charset = charset
        self.source = source
        self.lead = lead
        self._by_name: dict[str, list[Segment]] | None = None

    def all(self, name: str) -> list[Segment]:
        """Every segment of that name, in order."""
        if self._by_name is None:
            self._by_name = {}
            for segment in self.segments:
                self._by_name.setdefault(segment.name, []).append(segment)
        return self._by_name.get(name, [])

    def first(self, name: str) -> Segment | None:
        """The first segment of that name."""
        found = self.all(name)
        return found[0] if found else None

    def get(self, path: str) -> str:
        """The value at ``PID-3[2].4.2``, unescaped; "" where there is none, ``NULL`` where it is deleted.

        A path that stops at a field or component which has parts gives its first part, as HL7's rules for older receivers
        do (section 2.8.2). ``OBX[3]-5`` is the third OBX; ``MSH-1`` and ``MSH-2`` are given as written.
        """
        at = parse_path(path)
        found = self.all(at.segment)
        raw = found[at.occurrence - 1].field(at.field) if at.occurrence <= len(found) else ""
        if not raw or (at.field <= 2 and at.segment in HEADS):
            return raw
        cuts = self.delimiters
        raw = part(raw, cuts.repetition, at.repetition)
        raw = part(raw, cuts.component, at.component)
        return unescape(part(raw, cuts.subcomponent, at.subcomponent), cuts, self.charset)


def part(text: str, delimiter: str, number: int) -> str:
    """Part ``number`` (from 1) of ``text`` cut at ``delimiter``; "" where there are fewer, the whole where it has no delimiter."""
    if not delimiter or delimiter not in text:
        return text if number == 1 else ""
    parts = text.split(delimiter)
    return parts[number - 1] if number <= len(parts) else ""


def parts(text: str, delimiter: str) -> list[str]:
    """``text`` cut at ``delimiter``, which may be one that the message does not have."""
    return text.split(delimiter) if delimiter else [text]


@lru_cache(maxsize=4096)
def parse_path(path: str) -> Path:
    """The Path that a text such as ``PID-3[2].4.2`` spells; Problem("invalid") where it spells none."""
    found = _PATH.fullmatch(path)
    if found is None or "0" in found.groups()[1:]:
        raise Problem("invalid", "this is not a path such as PID-3[2].4.2")
    name, *numbers = found.groups()
    return Path(name, *(int(number or 1) for number in numbers))


def parse(data: bytes | str, *, charset: str | None = None, fallback: str | None = None) -> Message:
    """The message in ``data``. ``charset`` overrides MSH-18; ``fallback`` is read where MSH-18 is empty and UTF-8 does not fit."""
    if isinstance(data, str):
        return _read(data, "utf-8", None)
    declared = charset if charset is not None else declared_charset(data)
    text, codec = charsets.decode(data, declared, fallback=fallback)
    return _read(text, codec, data)


def declared_charset(data: bytes) -> str:
    """MSH-18 as written, its repetitions cut at ``~``; "" where it says nothing or cannot be found."""
    start = data.find(b"MSH", 0, 64)
    if start < 0:
        return ""
    line = re.split(rb"[\r\n]", data[start : start + 4096], maxsplit=1)[0]
    fields = line[3:].split(line[3:4], 19) if len(line) > 3 else []
    if len(fields) < 18:
        return ""
    written = fields[17].decode("latin-1")
    repetition = fields[1][1:2].decode("latin-1")
    return written.replace(repetition, "~") if repetition else written


def _read(text: str, codec: str, source: bytes | None) -> Message:
    start = text.find("MSH") if text[:3] != "MSH" else 0
    if start < 0 or text[:start].strip(" \t\r\n\ufeff"):
        raise Problem("structure", "this is not an HL7 v2 message: it does not begin with MSH", at="MSH")
    if "\0" in text:
        raise Problem("invalid", "the message holds a NUL character")
    lines, ends = _lines(text[start:] if start else text)
    cuts = _delimiters(lines[0])
    return Message(text, cuts, _segments(lines, ends, cuts.field), charset=codec, source=source, lead=text[:start])


def _delimiters(line: str) -> Delimiters:
    separator = line[3:4]
    return delimiters(separator, line[4:].split(separator, 1)[0] if separator else "")


def _lines(text: str) -> tuple[list[str], list[str]]:
    """The lines of a message and what ended each."""
    if "\n" in text or "\r\r" in text:
        cut = (_ENDS if "\r" in text else _LINES).split(text)
        lines, ends = cut[0::2], [*cut[1::2], ""]
    else:
        lines = text.split("\r")
        ends = ["\r"] * (len(lines) - 1) + [""]
    if not lines[-1]:
        lines.pop()
        ends.pop()
    return lines, ends


def _segments(lines: list[str], ends: list[str], separator: str) -> list[Segment]:
    segments: list[Segment] = []
    for line, end in zip(lines, ends, strict=True):
        fields = line.split(separator)
        name = fields[0]
        if len(name) != 3 or not (name.isupper() and name.isalnum() and name.isascii()):
            name = ""
            if not line.strip():  # a blank line belongs to the end of the segment before it
                segments[-1].end += line + end
                continue
        elif name in HEADS and len(fields) > 1:
            fields.insert(1, separator)
        segments.append(Segment(name, fields, len(segments) + 1, end))
    return segments


__all__ = ["NULL", "STANDARD", "Message", "Path", "Segment", "parse", "parse_path", "part", "parts"]
