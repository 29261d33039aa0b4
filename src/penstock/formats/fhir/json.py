"""FHIR JSON (http://hl7.org/fhir/R4/json.html), read strictly and written canonically.

Decimals keep their digits: ``1.10`` is not ``1.1`` (datatypes.html#decimal), so they are :class:`decimal.Decimal`.

Two checks that the decoder lacks are done without walking the data in Python:

* *Duplicate keys.* The decoder keeps the last of two, so writing the data again loses at least the colon of the dropped property. When
  the text contains no escaped colon, the counts of ``:`` in the text and in the copy are equal exactly if no property was dropped.
* *Depth.* Indented by one space a level, something nested too deep is a line that begins with that many spaces; line breaks inside
  strings are always escaped.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import msgspec

from penstock.errors import Problem
from penstock.formats.fhir.arrange import arrange

Resource = dict[str, Any]

#: How deep objects and arrays may be nested. The deepest official example has 21 levels.
MAX_DEPTH = 64
#: Digits and size of a number. FHIR asks for 18 significant digits; a double ends at 308.
MAX_NUMBER = 64
MAX_EXPONENT = 308

_TOO_DEEP = b"\n" + b" " * MAX_DEPTH
_ESCAPED_COLON = b"\\u003"
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_EXACT_AS_IT_IS = frozenset("0123456789.-")


def decode(data: bytes | bytearray | memoryview) -> Resource:
    """One JSON object. Anything that two readers could understand differently is Problem("structure")."""
    resource = decode_any(data)
    if type(resource) is not dict:
        raise Problem("structure", "a resource is a JSON object")
    return resource


def decode_any(data: bytes | bytearray | memoryview) -> Any:
    """One JSON value of any kind, as strictly."""
    try:
        value = _decoder.decode(data)
        copy = _encoder.encode(value)
        _refuse_deep(data, copy)
    except Problem:
        raise
    except RecursionError:
        raise _too_deep() from None
    except UnicodeDecodeError:
        raise Problem("structure", "the text is not valid UTF-8") from None
    except OverflowError:
        raise _number_too_large() from None
    except msgspec.MsgspecError as error:
        _explain(bytes(data), error)
    data = bytes(data)
    if data.count(b":") != copy.count(b":") or _ESCAPED_COLON in data:
        _refuse_duplicates(data)
    if b"\\u0000" in copy and _NUL.search(copy):
        raise Problem("structure", "a text contains the character U+0000")
    return value


def decode_own(data: bytes) -> Resource:
    """What this program wrote itself: without the checks that a stranger's text needs."""
    resource: Resource = _decoder.decode(data)
    return resource


def encode(resource: Resource) -> bytes:
    """Compact JSON: ``resourceType`` first, then properties in the order of the definitions; what they do not know comes last."""
    return _encoder.encode(arrange(resource))


def _number(text: str) -> Decimal:
    if len(text) > MAX_NUMBER:
        raise _number_too_large()
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent that no decimal has
        raise _number_too_large() from None
    if not _EXACT_AS_IT_IS.issuperset(text) and abs(number.adjusted()) > MAX_EXPONENT:
        raise _number_too_large()
    return number


_decoder = msgspec.json.Decoder(float_hook=_number)
_encoder = msgspec.json.Encoder(decimal_format="number")


def _number_too_large() -> Problem:
    return Problem("structure", "a number has more digits or a larger exponent than this server keeps")


def _too_deep() -> Problem:
    return Problem("structure", f"objects and arrays are nested deeper than {MAX_DEPTH} levels")


def _refuse_deep(data: bytes | bytearray | memoryview, copy: bytes) -> None:
    if copy.count(b"{") + copy.count(b"[") > MAX_DEPTH and _TOO_DEEP in msgspec.json.format(data, indent=1):
        raise _too_deep()


def _refuse_duplicates(data: bytes) -> None:
    """The exact check, for texts whose colons do not add up."""
    json.loads(data, object_pairs_hook=_unique, parse_float=str, parse_int=str)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Problem("structure", "an object has two properties of the same name")
    return found


def _explain(data: bytes, error: msgspec.MsgspecError) -> NoReturn:
    """Our own words for what the decoder found; its words may hold what it read."""
    if data.startswith(b"\xef\xbb\xbf"):
        raise Problem("structure", "the text begins with a byte order mark") from None
    if not data.strip():
        raise Problem("structure", "the text is empty") from None
    if isinstance(error, msgspec.ValidationError):
        raise _number_too_large() from None
    place = re.search(r"\(byte (\d+)\)", str(error))
    where = f"byte {place[1]}" if place else "end of text"
    raise Problem("structure", "this is not valid JSON", at=where) from None
