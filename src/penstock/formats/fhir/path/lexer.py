"""FHIRPath text to tokens."""

from __future__ import annotations

import re
from typing import NamedTuple

from penstock.errors import Problem


class Token(NamedTuple):
    """``kind`` is one of the group names below; ``text`` is as written, quotes included; ``place`` counts characters from 0."""

    kind: str
    text: str
    place: int


_TOKENS = re.compile(
    r"""
    (?P<space> \s+ | //[^\n]* | /\*.*?\*/ )
  | (?P<open> /\* )
  | (?P<datetime> @\d{4}(?:-\d\d(?:-\d\d)?)?T(?:\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:\d\d)?)? )
  | (?P<time> @T\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)? )
  | (?P<date> @\d{4}(?:-\d\d(?:-\d\d)?)? )
  | (?P<number> [0-9]+(?:\.[0-9]+)? )
  | (?P<string> '(?:[^'\\]|\\.)*' )
  | (?P<quoted> `(?:[^`\\]|\\.)*` )
  | (?P<word> [A-Za-z_][A-Za-z0-9_]* )
  | (?P<variable> \$(?:this|index|total)\b )
  | (?P<symbol> !=|!~|<=|>=|[-+*/&|=~<>.,()\[\]{}%] )
    """,
    re.VERBOSE | re.DOTALL,
)

_ESCAPES = {"`": "`", "'": "'", "\\": "\\", "/": "/", '"': '"', "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)

END = "end"


def where(text: str, place: int) -> str:
    """A place in a text as people count: ``line 1, column 7``."""
    return f"line {text.count(chr(10), 0, place) + 1}, column {place - text.rfind(chr(10), 0, place)}"


def tokens(text: str) -> list[Token]:
    """All tokens but spaces and comments, then one of kind ``end``."""
    found: list[Token] = []
    place = 0
    while place < len(text):
        match = _TOKENS.match(text, place)
        if match is None or match.lastgroup is None:
            raise Problem("invalid", "the expression has a character that FHIRPath does not know", at=where(text, place))
        if match.lastgroup == "open":
            raise Problem("invalid", "the expression has a comment without an end", at=where(text, place))
        if match.lastgroup in ("string", "quoted") and _says(match.group()) is None:
            raise Problem("invalid", "a string of the expression has an escape that FHIRPath does not know", at=where(text, place))
        if match.lastgroup != "space":
            found.append(Token(match.lastgroup, match.group(), place))
        place = match.end()
    found.append(Token(END, "", len(text)))
    return found


def unquote(text: str) -> str:
    """What a string or a delimited identifier says, without quotes and escapes."""
    return _says(text) or ""


def _says(text: str) -> str | None:
    """None for an escape that is none, such as one half of a character."""
    if "\\" not in text:
        return text[1:-1]
    try:
        return _ESCAPE.sub(_unescape, text[1:-1]).encode("utf-16", "surrogatepass").decode("utf-16")
    except (KeyError, UnicodeDecodeError):
        return None


def _unescape(match: re.Match[str]) -> str:
    code, letter = match.groups()
    return chr(int(code, 16)) if code else _ESCAPES[letter]
