"""What functions need their values to be: known before it runs where the type is known, checked when it runs where it is not."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.path.runtime.quantity import Quantity


def _check(*types: type) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if value is not None and type(value) not in types:
            raise Problem("invalid", "a function does not take values of this type")

    check.__name__ = "check_" + "_".join(each.__name__ for each in types)
    return check


def _anything(value: Any) -> None:
    return None


#: A need to the kinds of :mod:`values` that fulfil it, and the check of what is only known when it runs.
NEEDS: dict[str, tuple[tuple[str, ...], Callable[[Any], None]]] = {
    "string": (("string",), _check(str)),
    "integer": (("integer",), _check(int)),
    "number": (("integer", "decimal"), _check(int, Decimal)),
    "measure": (("integer", "decimal", "quantity", "quantity data"), _check(int, Decimal, Quantity)),
    "quantity": (("quantity", "quantity data"), _check(Quantity)),
    "any": ((), _anything),
}
