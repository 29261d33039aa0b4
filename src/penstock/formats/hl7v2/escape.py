"""Escape sequences (HL7 v2.5 section 2.7): how text holds what would otherwise be a delimiter.

:func:`unescape` turns delimiters and hexadecimal data into what they mean. Formatting (``\\.br\\``, ``\\H\\``), character set
switches (``\\C…\\``, ``\\M…\\``), local ones (``\\Z…\\``), unknown ones and an escape character that nothing closes are text
and stay as they are: nothing disappears. :func:`render` also lays out the formatting commands as plain text.
"""

from __future__ import annotations

import re
from functools import lru_cache

from penstock.errors import Problem
from penstock.formats.hl7v2.delimiters import STANDARD, Delimiters

_LETTERS = {"F": "field", "S": "component", "R": "repetition", "E": "escape", "T": "subcomponent", "P": "truncation"}
_HEX = re.compile(r"X((?:[0-9A-Fa-f]{2})+)")

#: Formatting commands of FT data (section 2.7.6) as plain text; a number after ``.sp`` or ``.sk`` repeats it.
_LAYOUT = {".br": "\n", ".ce": "\n", ".sp": "\n", ".sk": " ", ".fi": "", ".nf": "", ".in": "", ".ti": ""}
_COMMAND = re.compile(r"(\.[a-z]{2})\s*([+-]?\d{1,3})?", re.ASCII)


def unescape(text: str, delimiters: Delimiters = STANDARD, charset: str | None = None) -> str:
    """What ``text`` means. Bytes above 127 in ``\\X…\\`` are read in ``charset`` (a codec); without one they stay written."""
    if not delimiters.escape or delimiters.escape not in text:
        return text
    table, pattern = _table(delimiters), _pattern(delimiters.escape)

    def meaning(found: re.Match[str]) -> str:
        body = found[1]
        known = table.get(body)
        if known is not None:
            return known
        data = _HEX.fullmatch(body)
        return found[0] if data is None else _hexadecimal(bytes.fromhex(data[1]), charset, found[0])

    return pattern.sub(meaning, text)


def render(text: str, delimiters: Delimiters = STANDARD, charset: str | None = None) -> str:
    """Formatted text (FT) as plain text: as :func:`unescape`, with line breaks and spaces where its commands ask for them."""
    if not delimiters.escape or delimiters.escape not in text:
        return text

    def meaning(found: re.Match[str]) -> str:
        layout = _laid_out(found[1])
        return unescape(found[0], delimiters, charset) if layout is None else layout

    return _pattern(delimiters.escape).sub(meaning, text)


def escape(text: str, delimiters: Delimiters = STANDARD) -> str:
    """``text`` written so that it can create no segment, field, component or frame; ``unescape`` gives it back."""
    unsafe, table = _unsafe(delimiters)
    if not unsafe.search(text):
        return text
    if not delimiters.escape:
        raise Problem("invalid", "text with delimiters cannot be written in a message without an escape character", at="MSH-2")
    return unsafe.sub(lambda found: table[found[0]], text)


def _laid_out(body: str) -> str | None:
    if body in ("H", "N"):
        return ""
    command = _COMMAND.fullmatch(body)
    if command is None or command[1] not in _LAYOUT:
        return None
    times = int(command[2] or 1) if command[1] in (".sp", ".sk") else 1
    return _LAYOUT[command[1]] * max(1, times)


def _hexadecimal(data: bytes, charset: str | None, written: str) -> str:
    try:
        return data.decode("ascii" if charset is None else charset)
    except UnicodeError:
        return written


@lru_cache(maxsize=256)
def _pattern(character: str) -> re.Pattern[str]:
    quoted = re.escape(character)
    return re.compile(f"{quoted}([^{quoted}]*){quoted}")


@lru_cache(maxsize=256)
def _table(delimiters: Delimiters) -> dict[str, str]:
    return {letter: character for letter, name in _LETTERS.items() if (character := getattr(delimiters, name))}


@lru_cache(maxsize=256)
def _unsafe(delimiters: Delimiters) -> tuple[re.Pattern[str], dict[str, str]]:
    """What must be escaped, and how: the delimiters, and control characters (which could end a segment or a frame) but the tab."""
    mark = delimiters.escape
    table = {chr(code): f"{mark}X{code:02X}{mark}" for code in (*range(32), 127) if code != 9}
    table |= {character: f"{mark}{letter}{mark}" for letter, character in _table(delimiters).items()}
    return re.compile("[" + "".join(map(re.escape, table)) + "]"), table
