"""Logic of three values: None is FHIRPath's empty (http://hl7.org/fhirpath/N1/#boolean-logic)."""

from __future__ import annotations

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
