"""The characters that cut a message into fields: MSH-1 and MSH-2 (HL7 v2.5 section 2.5.4; truncation: v2.7 section 2.5.5.2).

A message may define fewer than the usual ones; what it does not define, it does not use, and is "" here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from penstock.errors import Problem


class Delimiters(NamedTuple):
    """The delimiters of one message; "" is one that the message does not have."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""

    @property
    def encoding(self) -> str:
        """MSH-2 as it is written."""
        return self.component + self.repetition + self.escape + self.subcomponent + self.truncation


STANDARD = Delimiters()


@lru_cache(maxsize=256)
def delimiters(separator: str, encoding: str) -> Delimiters:
    """The Delimiters that MSH-1 and MSH-2 define; Problem at the one that cannot be used.

    A backslash written twice counts once: senders that build ``"^~\\\\&"`` from a quoted string do that.
    """
    encoding = encoding.replace("\\\\", "\\")
    if not _usable(separator):
        raise Problem("invalid", "the field separator must be a printable ASCII character that is no letter or digit", at="MSH-1")
    if not encoding:
        raise Problem("required", "the encoding characters are missing", at="MSH-2")
    if len(encoding) > 5 or not all(map(_usable, encoding)):
        raise Problem("invalid", "the encoding characters must be one to five printable ASCII characters", at="MSH-2")
    if len({separator, *encoding}) != len(encoding) + 1:
        raise Problem("invalid", "two delimiters are the same character", at="MSH-2")
    return Delimiters(separator, *(encoding[at : at + 1] for at in range(5)))


def _usable(character: str) -> bool:
    return len(character) == 1 and "!" <= character <= "~" and not character.isalnum()
