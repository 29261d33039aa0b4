"""Character sets: MSH-18 with HL7 table 0211 (HL7 v2.5 section 2.15.9.18), bytes to text without a guess.

A byte that the declared set does not have is a Problem, never U+FFFD. Without a declaration: ASCII, else UTF-8 if the bytes
are that, else what the interface says, else a Problem.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import NamedTuple

from penstock.errors import Problem

#: HL7 table 0211 (and what senders write instead of its values), upper-cased, to the codec that reads it.
TABLE_0211: dict[str, str] = {
    "ASCII": "ascii",
    **{f"8859/{part}": f"iso8859_{part}" for part in (*range(1, 12), 13, 14, 15, 16)},
    **{f"ISO-8859-{part}": f"iso8859_{part}" for part in (*range(1, 12), 13, 14, 15, 16)},
    "ISO IR6": "ascii",
    "ISO IR14": "shift_jis",  # JIS X 0201 is the one-byte half of it
    "ISO IR87": "iso2022_jp_ext",
    "ISO IR159": "iso2022_jp_ext",
    "GB 18030-2000": "gb18030",
    "KS X 1001": "cp949",
    "BIG-5": "cp950",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "UNICODE UTF-16": "utf-16",
    "UNICODE UTF-32": "utf-32",
    "WINDOWS-1252": "cp1252",
    "CP1252": "cp1252",
}

#: How a text that is not one byte a character begins: a byte order mark, or "MSH"/"FHS"/"BHS" with its zero bytes.
_WIDE: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"\xff\xfe\0\0|[MFB]\0\0\0[SH]\0\0\0"), "utf-32-le"),
    (re.compile(rb"\0\0\xfe\xff|\0\0\0[MFB]\0\0\0[SH]"), "utf-32-be"),
    (re.compile(rb"\xff\xfe|[MFB]\0[SH]\0"), "utf-16-le"),
    (re.compile(rb"\xfe\xff|\0[MFB]\0[SH]"), "utf-16-be"),
)
_C1 = re.compile("[\x80-\x9f]")
#: Sets in which the second byte of a UTF-8 letter is a symbol, so that text which is all UTF-8 contradicts the declaration.
_WESTERN = frozenset({"iso8859_1", "iso8859_9", "iso8859_15", "cp1252"})


class Decoded(NamedTuple):
    """The text and the codec that read it (and can write it)."""

    text: str
    codec: str


def wide(data: bytes) -> str | None:
    """The UTF-16 or UTF-32 codec of ``data`` by how it begins, or None: such text cannot travel in an MLLP frame."""
    if data[:1] not in (b"\xff", b"\xfe", b"\0") and data[1:2] != b"\0":
        return None
    return next((codec for pattern, codec in _WIDE if pattern.match(data)), None)


@lru_cache(maxsize=256)
def codec(declared: str) -> str:
    """The codec for MSH-18 as written (repetitions cut at ``~``), or for a set or codec that an interface names."""
    sets = [part.strip().upper() for part in declared.split("~")]
    if any(part in ("ISO IR87", "ISO IR159") for part in sets):
        return "iso2022_jp_ext"  # the alternates are reached by ISO 2022 escapes from the first
    found = TABLE_0211.get(sets[0] or "ASCII") or _python(sets[0])
    if found is None:
        raise Problem("not-supported", "this character set is not supported", at="MSH-18")
    return found


def decode(data: bytes, declared: str = "", *, fallback: str | None = None) -> Decoded:
    """The text of ``data`` by its declared set (MSH-18 or the interface's), else by what it is, else by ``fallback``."""
    if found := wide(data):
        return _strict(data, found)
    if declared.strip():
        return _agreeing(data, codec(declared))
    if data.isascii():
        return Decoded(data.decode("ascii"), "ascii")
    try:
        return Decoded(data.decode("utf-8"), "utf-8")
    except UnicodeDecodeError:
        if fallback is None:
            raise Problem("invalid", "the bytes are not UTF-8 and no character set is declared", at="MSH-18") from None
    return _agreeing(data, codec(fallback))


def _agreeing(data: bytes, name: str) -> Decoded:
    decoded = _strict(data, name)
    if data.isascii():
        return decoded
    if name.startswith("iso8859") and _C1.search(decoded.text):
        raise Problem("invalid", "the bytes are not text in the declared character set", at="MSH-18")
    if name in _WESTERN and _is_utf8(data):
        raise Problem("invalid", "the bytes are UTF-8, which is not the declared character set", at="MSH-18")
    return decoded


def _strict(data: bytes, name: str) -> Decoded:
    try:
        return Decoded(data.decode(name), name)
    except (UnicodeError, ValueError):
        raise Problem("invalid", "the bytes are not text in the declared character set", at="MSH-18") from None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _python(name: str) -> str | None:
    """A codec by its own name, if it is one that reads text."""
    try:
        "".encode(name)
        return codecs.lookup(name).name
    except (LookupError, ValueError, UnicodeError):
        return None
