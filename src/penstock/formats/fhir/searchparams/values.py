"""How a value of each type becomes something to find it by, for each type of search parameter (search.html#ptypes).

Each function adds to an :class:`Indexed` what one value gives for one parameter. ``NORMALISE`` lists them by the parameter's type and
the value's; a pair that is not listed gives nothing, as the specification has it.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from penstock.formats.fhir.dates import period, span_or_none, timing
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.searchparams.indexed import Indexed
from penstock.formats.fhir.searchparams.numbers import compared

Value = dict[str, Any]
Normalise = Callable[[Indexed, str, Any], None]

CURRENCIES = "urn:iso:std:iso:4217"


# token


def _coding(found: Indexed, code: str, value: Value) -> None:
    if (symbol := value.get("code")) is not None:
        found.tokens.append((code, value.get("system"), symbol))
    if (display := value.get("display")) is not None:
        found.texts.append((code, display))


def _concept(found: Indexed, code: str, value: Value) -> None:
    for coding in value.get("coding") or ():
        _coding(found, code, coding)
    if (text := value.get("text")) is not None:
        found.texts.append((code, text))


def _identifier(found: Indexed, code: str, value: Value) -> None:
    if (written := value.get("value")) is None:
        return
    found.identifiers.append((code, value.get("system"), written))
    if (type := value.get("type")) is not None:
        for coding in type.get("coding") or ():
            if (symbol := coding.get("code")) is not None:
                found.identifier_types.append((code, coding.get("system"), symbol, written))
        if (text := type.get("text")) is not None:
            found.texts.append((code, text))


def _contact(found: Indexed, code: str, value: Value) -> None:
    if (written := value.get("value")) is not None:
        found.tokens.append((code, None, written))


def _bare_token(found: Indexed, code: str, value: str) -> None:
    found.tokens.append((code, None, value))


def _boolean(found: Indexed, code: str, value: bool) -> None:
    found.tokens.append((code, None, "true" if value else "false"))


# reference


def _reference(found: Indexed, code: str, value: Value) -> None:
    if (text := value.get("reference")) is not None:
        _literal(found, code, text)
    if (identifier := value.get("identifier")) is not None and (written := identifier.get("value")) is not None:
        found.ref_identifiers.append((code, identifier.get("system"), written))


def _literal(found: Indexed, code: str, text: str) -> None:
    if text.startswith("#"):
        return  # a contained resource is not found by reference
    if found.base and text.startswith(found.base):
        text = text[len(found.base) :]
    parts = text.split("/")
    versioned = len(parts) > 3 and parts[-2] == "_history"
    if versioned:
        found.ref_urls.append((code, text))
        del parts[-2:]
    if len(parts) == 2 and parts[0] in r4().resource_types:
        found.refs.append((code, parts[0], parts[1]))
    else:
        found.ref_urls.append((code, "/".join(parts) if versioned else text))


def _canonical_reference(found: Indexed, code: str, value: str) -> None:
    found.ref_urls.append((code, value))
    if "|" in value:
        found.ref_urls.append((code, value.partition("|")[0]))


def _resource(found: Indexed, code: str, value: Value) -> None:
    """The composition or header of a document or message Bundle."""
    type, id = value.get("resourceType"), value.get("id")
    if type is not None and id is not None:
        found.refs.append((code, type, id))


# string


def _string(found: Indexed, code: str, value: str) -> None:
    found.strings.append((code, value))


def _parts(single: tuple[str, ...], many: tuple[str, ...]) -> Normalise:
    def normalise(found: Indexed, code: str, value: Value) -> None:
        for name in single:
            if (part := value.get(name)) is not None:
                found.strings.append((code, part))
        for name in many:
            for part in value.get(name) or ():
                if part is not None:
                    found.strings.append((code, part))

    return normalise


_name = _parts(("family", "text"), ("given", "prefix", "suffix"))
_address = _parts(("text", "city", "district", "state", "postalCode", "country"), ("line",))


# date


def _date(found: Indexed, code: str, value: str) -> None:
    if span := span_or_none(value):
        found.dates.append((code, *span))


def _period(found: Indexed, code: str, value: Value) -> None:
    if span := period(value):
        found.dates.append((code, *span))


def _timing(found: Indexed, code: str, value: Value) -> None:
    if span := timing(value):
        found.dates.append((code, *span))


# number, quantity, uri


def _number(found: Indexed, code: str, value: Any) -> None:
    found.numbers.append((code, *compared(value, None)))


def _position(found: Indexed, code: str, value: Value) -> None:
    latitude, longitude = value.get("latitude"), value.get("longitude")
    if latitude is not None and longitude is not None:
        found.positions.append((code, float(latitude), float(longitude)))


def _number_range(found: Indexed, code: str, value: Value) -> None:
    low, high = _limits(value)
    if low is not None or high is not None:
        found.numbers.append((code, low, high))


def _limits(value: Value) -> tuple[Any, Any]:
    """What a Range covers."""
    low, high = (value.get("low") or {}).get("value"), (value.get("high") or {}).get("value")
    return (None if low is None else compared(low, None)[0], None if high is None else compared(high, None)[1])


def _quantity(found: Indexed, code: str, value: Value) -> None:
    if (number := value.get("value")) is not None:
        span = compared(number, value.get("comparator"))
        found.quantities.append((code, *span, value.get("system"), value.get("code"), value.get("unit")))


def _money(found: Indexed, code: str, value: Value) -> None:
    if (number := value.get("value")) is not None:
        found.quantities.append((code, *compared(number, None), CURRENCIES, value.get("currency"), None))


def _range(found: Indexed, code: str, value: Value) -> None:
    low, high = _limits(value)
    unit: Value = value.get("low") or value.get("high") or {}
    if low is not None or high is not None:
        found.quantities.append((code, low, high, unit.get("system"), unit.get("code"), unit.get("unit")))


def _sampled(found: Indexed, code: str, value: Value) -> None:
    """The bounds of what was sampled (http://hl7.org/fhir/R4/datatypes.html#SampledData)."""
    origin: Value = value.get("origin") or {}
    samples = [number for word in (value.get("data") or "").split(" ") if (number := _decimal(word)) is not None]
    if samples and (zero := _decimal(origin.get("value"))) is not None:
        factor = _decimal(value.get("factor")) or Decimal(1)
        ends = sorted(_WIDE.fma(end, factor, zero) for end in (min(samples), max(samples)))
        found.quantities.append((code, ends[0], ends[1], origin.get("system"), origin.get("code"), origin.get("unit")))


#: Beyond a double nothing is compared: there a sum is without limit, and no error.
_WIDE = Context(prec=50, traps=[])


def _decimal(written: Any) -> Decimal | None:
    """A number, or None: samples may be E (error), L and U (beyond the limits)."""
    try:
        number = None if written is None else Decimal(str(written))
    except (InvalidOperation, ValueError):
        return None
    return number if number is not None and number.is_finite() else None


def _uri(found: Indexed, code: str, value: str) -> None:
    found.uris.append((code, value))


def _canonical(found: Indexed, code: str, value: str) -> None:
    found.uris.append((code, value))
    if "|" in value:
        found.uris.append((code, value.partition("|")[0]))


_TEXTS = ("string", "markdown", "code", "id", "uri", "url", "canonical", "oid", "uuid")
_QUANTITIES = ("Quantity", "Age", "Count", "Distance", "Duration")
_DATES = ("date", "dateTime", "instant")
_NUMBERS = ("integer", "decimal", "positiveInt", "unsignedInt")

NORMALISE: dict[str, dict[str, Normalise]] = {
    "token": {
        "Coding": _coding,
        "CodeableConcept": _concept,
        "Identifier": _identifier,
        "ContactPoint": _contact,
        "boolean": _boolean,
        "System.Boolean": _boolean,
        **dict.fromkeys(_TEXTS, _bare_token),
    },
    "reference": {
        "Reference": _reference,
        "canonical": _canonical_reference,
        "uri": _canonical_reference,
        "url": _canonical_reference,
        "Resource": _resource,
    },
    "string": {"HumanName": _name, "Address": _address, **dict.fromkeys(_TEXTS, _string)},
    "date": {"Period": _period, "Timing": _timing, **dict.fromkeys(_DATES, _date)},
    "number": {"Range": _number_range, **dict.fromkeys(_NUMBERS, _number)},
    "quantity": {"Money": _money, "Range": _range, "SampledData": _sampled, **dict.fromkeys(_QUANTITIES, _quantity)},
    "uri": {**dict.fromkeys(_TEXTS, _uri), "canonical": _canonical},
    "special": {"Location.position": _position},
}


def extension_value(kind: str) -> Normalise:
    """Where an expression ends at an extension, its value is what is searched."""
    variants = {each.name: NORMALISE[kind].get(each.type) for each in _extension_variants()}

    def normalise(found: Indexed, code: str, value: Value) -> None:
        for name, held in value.items():
            if known := variants.get(name):
                known(found, code, held)

    return normalise


def _extension_variants() -> tuple[Any, ...]:
    definition = r4().type("Extension")
    return definition.variants("value") if definition else ()
