"""Print which requirement (docs/requirements.csv) is proven by which test (``@pytest.mark.req("EV-03")``).

The last line is ``proven N of 273 (must M of 207)``; an unknown id is an error.
"""

from __future__ import annotations

import ast
import csv
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


def marks(path: Path) -> Iterator[tuple[str, str]]:
    """(requirement id, test) for every ``req`` mark on a function or class of a test file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.req":
                    for argument in decorator.args:
                        yield ast.literal_eval(argument), f"{path.relative_to(ROOT)}::{node.name}"


def main() -> int:
    proofs: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for requirement, test in marks(path):
            proofs[requirement].append(test)
    with (ROOT / "docs" / "requirements.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    unknown = set(proofs) - {row["id"] for row in rows}
    for row in rows:
        tests = proofs.get(row["id"], [])
        print(f"{row['id']} {row['tier']} {'proven ' if tests else 'open   '} {row['requirement']}")
        for test in tests:
            print(f"            {test}")
    for requirement in sorted(unknown):
        print(f"unknown requirement {requirement}: {', '.join(proofs[requirement])}", file=sys.stderr)
    proven = [row for row in rows if row["id"] in proofs]
    must = sum(row["tier"] == "M" for row in rows)
    print(f"proven {len(proven)} of {len(rows)} (must {sum(row['tier'] == 'M' for row in proven)} of {must})")
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
