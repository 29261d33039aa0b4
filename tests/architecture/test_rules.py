"""The rules of the house, each failing with its sentence: format, lint, types, borders, requirement ids."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

RULES = {
    "files are formatted": [BIN / "ruff", "format", "--check", "."],
    "lint is clean": [BIN / "ruff", "check", "."],
    "types are strict": [BIN / "mypy"],
    "packages keep their borders": [BIN / "lint-imports", "--no-cache"],
    "requirement ids exist": [sys.executable, "tools/requirements.py"],
    "reference pages are current": [sys.executable, "tools/reference.py", "--check"],
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.timeout(300)
def test_rule(rule: str) -> None:
    result = subprocess.run(RULES[rule], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{rule}:\n{result.stdout[-5000:]}{result.stderr[-2000:]}"


@pytest.mark.req("V2-15")
def test_api_handlers_cannot_import_mapping_logic() -> None:
    contracts = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'name = "api handlers hold no mapping logic"' in contracts
