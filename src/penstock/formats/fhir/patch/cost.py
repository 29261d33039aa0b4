"""What a patch may cost. It is applied while the resource is locked, and each operation may look at all of it."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

from penstock.errors import Problem

#: The most operations of one patch.
MOST_OPERATIONS = 1000
#: The most values that all operations together may look at, as if each looked at the whole resource: about a second.
MOST_LOOKS = 500_000
#: The same for operations that go straight to their place, and only copy what lies beside it.
MOST_COPIES = 20_000_000


def require_few(operations: Sized) -> None:
    """Refuse a patch of too many operations, when it is read."""
    if len(operations) > MOST_OPERATIONS:
        raise Problem("too-costly", f"a patch has at most {MOST_OPERATIONS} operations")


def require_affordable(operations: Sized, resource: Any, most: int = MOST_LOOKS) -> None:
    """Refuse to apply many operations to a large resource."""
    if len(operations) > 1 and len(operations) * measure(resource)[1] > most:
        raise Problem("too-costly", "the patch has too many operations for a resource of this size: send it in parts")


def measure(value: Any) -> tuple[int, int]:
    """How deep a value is nested, and how many values it is made of."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    depth, values = 0, 1
    for each in inner:
        deeper, more = measure(each)
        depth, values = max(depth, deeper), values + more
    return depth + isinstance(value, dict | list), values
