"""How a search value becomes a hash: what the rows of the index and the conditions of a search must agree on."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import NamedTuple

from penstock.formats.fhir.ucum import SYSTEM as UCUM
from penstock.store.hashing import h64

#: Longest piece of a text that is indexed; a longer text lies in pieces that overlap by half, so that any half of one is in some piece.
LONGEST = 200
OVERLAP = LONGEST // 2
#: Lengths of the beginnings by which the words beside a code are indexed (``:text``).
BEGINNINGS = (3, 8, 20)

_SEPARATOR = "\x1e"
_PRESENT, _TEXT, _BELOW = "\x1dpresent", "\x1dtext", "\x1dbelow"
#: Parts of a composite are kept apart by this.
PAIR = "\x1d$"

#: Code systems whose codes differ by case: all that HL7 publishes for FHIR, and units. Where that is not known, codes of any case are
#: accepted (http://hl7.org/fhir/R4/codesystem-definitions.html#CodeSystem.caseSensitive).
_SENSITIVE = ("http://hl7.org/fhir/", "http://terminology.hl7.org/CodeSystem/", UCUM)


class Codes(NamedTuple):
    """The hashes of one code: by itself, of its whole system, and both together."""

    bare: int
    system: int | None
    full: int


def same_case(system: str | None, code: str) -> str:
    """A code as it is compared: of a system whose case matters as it is, marked; else in lower case."""
    return f"={code}" if system and system.startswith(_SENSITIVE) else code.lower()


@lru_cache(maxsize=16_384)
def codes(start: str, system: str | None, code: str) -> Codes:
    """The hashes of a code under the prefix ``start``."""
    cased = same_case(system, code)
    return Codes(h64(start + cased), token(start, system, "") if system else None, token(start, system or "", cased))


def bare_keys(code: str) -> tuple[str, str]:
    """What a code without a system is looked up as: of a system whose case matters, or of any other."""
    return code.lower(), f"={code}"


def token(start: str, system: str, cased: str) -> int:
    """The hash of a code in a system; without a code, of every code in it."""
    return h64(pair_key(start, system, cased))


def pair_key(start: str, system: str, cased: str) -> str:
    return f"{start}{system}{_SEPARATOR}{cased}"


def reference_token(start: str, type: str, id: str) -> int:
    """The hash of a reference under the prefix ``start``."""
    return h64(f"{start}{type}/{id}")


def present(start: str) -> int:
    """The token of having a value at all."""
    return h64(start + _PRESENT)


@lru_cache(maxsize=16_384)
def beginnings(start: str, text: str) -> tuple[int, ...]:
    """The tokens of the words beside a code: what they begin with."""
    folded = fold(text)
    return tuple(h64(f"{start}{_TEXT}{folded[:length]}") for length in BEGINNINGS if len(folded) >= length)


def beginning(start: str, folded: str) -> int | None:
    """The token by which words that begin with ``folded`` are found; None where it is too short for any."""
    length = max((length for length in BEGINNINGS if length <= len(folded)), default=0)
    return h64(f"{start}{_TEXT}{folded[:length]}") if length else None


def folders(uri: str) -> list[str]:
    """What a URI lies below, and itself: cut at each slash, less the one at its end."""
    bare = uri.rstrip("/")
    ends = [at for at, char in enumerate(bare) if char == "/" and at > bare.find("://") + 2]
    return [*(bare[:end] for end in ends), bare]


def below(start: str, folder: str) -> int:
    """The token of lying below a URI."""
    return h64(f"{start}{_BELOW}{folder}")


@lru_cache(maxsize=1024)
def system_hash(system: str) -> int:
    """The system of a unique value; the empty one where it has none."""
    return h64(system)


def unique_value(start: str, system: str | None, value: str) -> tuple[int, int]:
    """An identifier as the ident table holds it; its case matters (datatypes.html#Identifier)."""
    return h64(start + value), system_hash(system or "")


def typed_value(start: str, system: str, type: str, value: str) -> tuple[int, int]:
    """An identifier with what it is, for ``:of-type``."""
    return h64(f"{start}:of-type{_SEPARATOR}{type}{_SEPARATOR}{value}"), system_hash(system)


@lru_cache(maxsize=4096)
def unit_hash(unit: str | None) -> int:
    """A quantity's unit: its code, else its display; 0 where it has none."""
    return h64(unit) if unit else 0


@lru_cache(maxsize=4096)
def common_unit(key: str) -> int:
    """The unit that a dimension is compared in."""
    return h64(f"{UCUM}{_SEPARATOR}{key}")


def converted(start: str) -> str:
    """The prefix under which a quantity lies a second time, in the common unit of its dimension."""
    return start + "\x1dconverted"


def fold(text: str) -> str:
    """Text as string search compares it: without case, marks, and runs of space (search.html#string)."""
    if not text.isascii():
        text = "".join(char for char in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(char))
    return " ".join(text.lower().split())


def pieces(start: str, text: str) -> list[tuple[int, str]]:
    """A text as the table of strings holds it: its beginning, and what follows under a prefix of its own."""
    folded = fold(text)
    if len(folded) <= LONGEST:
        return [(h64(start), folded)]
    following = h64(continued(start))
    rest = [(following, folded[at : at + LONGEST]) for at in range(OVERLAP, len(folded) - OVERLAP, OVERLAP)]
    return [(h64(start), folded[:LONGEST]), *rest]


def continued(start: str) -> str:
    """The prefix under which the pieces of a text lie that are not its beginning."""
    return start + "\x1dcontinued"


def word(tenant_prefix: str, folded: str) -> int:
    """A word of a narrative."""
    return h64(tenant_prefix + folded)
