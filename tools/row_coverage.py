"""Which mapping rows no golden message fires: every compiled row of every supported structure, against `tests/unit/convert/messages`.

    python tools/row_coverage.py [BEGINNING…]     # only rows whose id begins so: `PID[`, `SIU_S12:`, `XTN[ContactPoint]:4`

A row of a segment or data type map fires when its code puts something into a resource; a row of a message map when its segment was
given to its map. What no message fires is untested: write a message, or switch the row off with the reason why nothing can fire it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from penstock.convert import Context
from penstock.convert.api import STRUCTURES, structure_of
from penstock.convert.compiler import build
from penstock.convert.engine import run_plan
from penstock.formats.hl7v2 import parse

MESSAGES = Path(__file__).resolve().parent.parent / "tests" / "unit" / "convert" / "messages"


def golden() -> list[bytes]:
    """The golden messages of every family."""
    return [path.read_bytes() for path in sorted(MESSAGES.glob("*.hl7"))]


def coverage(messages: Iterable[bytes], structures: Sequence[str] = STRUCTURES) -> tuple[frozenset[str], set[str]]:
    """All rows that these structures compile to, and those of them that a message fires."""
    fired: set[str] = set()
    plan = build(structures, strict=False, message=True, witness=fired.add)
    for data in messages:
        message = parse(data)
        _, _, pending = run_plan(message, structure_of(message, plan), plan, Context(interface="test"))
        fired |= {one.step.rule for one in pending}
    return plan.rules, fired


def main(beginnings: Sequence[str]) -> int:
    rules, fired = coverage(golden())
    asked = {rule for rule in rules if rule.startswith(tuple(beginnings))} if beginnings else rules
    for rule in sorted(asked - fired):
        print(rule)
    print(f"fired {len(asked & fired)} of {len(asked)} rows")
    return 1 if asked - fired else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
