"""What generated code calls at run time. Logic is three-valued: None is FHIRPath's empty (http://hl7.org/fhirpath/N1/#boolean-logic)."""

from __future__ import annotations

from typing import Any

Truth = bool | None


def both(left: Truth, right: Truth) -> Truth:
    if left is False or right is False:
        return False
    return True if left and right else None


def either(left: Truth, right: Truth) -> Truth:
    if left or right:
        return True
    return False if left is False and right is False else None


def one_only(left: Truth, right: Truth) -> Truth:
    return None if left is None or right is None else left is not right


def implies(left: Truth, right: Truth) -> Truth:
    return either(negated(left), right)


def negated(value: Truth) -> Truth:
    return None if value is None else not value


def truth(items: list[Any]) -> Truth:
    """One boolean is itself; one item of another kind is true (singleton evaluation); nothing, or more than one, is empty."""
    if len(items) != 1:
        return None
    return items[0] if type(items[0]) is bool else True


def equal(left: list[Any], right: list[Any]) -> Truth:
    """``=`` of two collections: same items in the same order, empty when either is."""
    return None if not left or not right else left == right


def unequal(left: list[Any], right: list[Any]) -> Truth:
    return negated(equal(left, right))


def items(holder: Any, name: str) -> list[Any]:
    """The values of a property where only the data tells the type: choices by their stem, lists spread."""
    if not isinstance(holder, dict):
        return []
    value = holder.get(name)
    if value is None:
        stems = [key for key in holder if key.startswith(name) and key[len(name) : len(name) + 1].isupper()]
        value = holder[stems[0]] if len(stems) == 1 else None
    if isinstance(value, list):
        return [each for each in value if each is not None]
    return [] if value is None else [value]


def refers(reference: Any, type: str) -> bool:
    """``resolve() is Patient``, answered by what the reference says: its text ``…/Patient/1``, else its ``type``."""
    text = reference.get("reference") if isinstance(reference, dict) else reference
    if isinstance(text, str) and not text.startswith(("#", "urn:")):
        parts = text.partition("/_history/")[0].rsplit("/", 2)
        if len(parts) >= 2:
            return parts[-2] == type
    return isinstance(reference, dict) and reference.get("type") == type


def distinct(items: list[Any]) -> list[Any]:
    """Without repetitions, first ones kept. Objects are compared as data."""
    found: list[Any] = []
    seen: set[tuple[type, Any]] = set()
    for item in items:
        if isinstance(item, (dict, list)):
            if item not in found:
                found.append(item)
        elif (type(item), item) not in seen:
            seen.add((type(item), item))
            found.append(item)
    return found
