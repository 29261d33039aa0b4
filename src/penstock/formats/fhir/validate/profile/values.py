"""Constraints on the value of an element (http://hl7.org/fhir/R4/elementdefinition.html): fixed, pattern, minimum, maximum, lengths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.formats.fhir.validate.profile.compare import below
from penstock.formats.fhir.validate.profile.raw import Raw
from penstock.formats.fhir.validate.profile.tree import Test, ValueRule

MIN_LENGTH = "http://hl7.org/fhir/StructureDefinition/minLength"


def same(fixed: Any, value: Any) -> bool:
    """Exactly the same, extensions included; numbers by their value."""
    if isinstance(fixed, dict):
        return isinstance(value, dict) and fixed.keys() == value.keys() and all(same(each, value[name]) for name, each in fixed.items())
    if isinstance(fixed, list):
        return (
            isinstance(value, list) and len(fixed) == len(value) and all(same(one, other) for one, other in zip(fixed, value, strict=True))
        )
    return _equal(fixed, value)


def fits(pattern: Any, value: Any) -> bool:
    """Everything of the pattern is in the value; of a list, each entry somewhere."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(name in value and fits(each, value[name]) for name, each in pattern.items())
    if isinstance(pattern, list):
        return isinstance(value, list) and all(any(fits(each, one) for one in value) for each in pattern)
    return _equal(pattern, value)


def _equal(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def value_rules(raw: Raw) -> tuple[ValueRule, ...]:
    """What an element asks of its value."""
    found = [rule for kind, make in _KINDS.items() if (given := raw.given(kind)) is not None and (rule := make(given[1]))]
    if isinstance(longest := raw.element.get("maxLength"), int):
        found.append(_length("maxLength", "the text is longer than the profile allows", lambda text: len(text) <= longest))
    shortest = [each.get("valueInteger") for each in raw.element.get("extension", ()) if each.get("url") == MIN_LENGTH]
    for least in shortest:
        if isinstance(least, int):
            found.append(_length("minLength", "the text is shorter than the profile allows", _at_least(least)))
    return tuple(found)


def _at_least(least: int) -> Callable[[str], bool]:
    return lambda text: len(text) >= least


def _fixed(fixed: Any) -> ValueRule:
    return ValueRule("fixed", "the value is another one than the profile fixes", lambda value: same(fixed, value))


def _pattern(pattern: Any) -> ValueRule:
    return ValueRule("pattern", "the value does not fit the pattern of the profile", lambda value: fits(pattern, value))


def _least(least: Any) -> ValueRule:
    return ValueRule("minValue", "the value is less than the profile allows", _ordered(lambda value: below(value, least)))


def _most(most: Any) -> ValueRule:
    return ValueRule("maxValue", "the value is more than the profile allows", _ordered(lambda value: below(most, value)))


def _ordered(wrong: Callable[[Any], bool | None]) -> Test:
    return lambda value: value is None or wrong(value) is not True


def _length(kind: str, text: str, holds: Callable[[str], bool]) -> ValueRule:
    return ValueRule(kind, text, lambda value: not isinstance(value, str) or holds(value))


_KINDS: dict[str, Callable[[Any], ValueRule]] = {"fixed": _fixed, "pattern": _pattern, "minValue": _least, "maxValue": _most}
