"""The official validator's R4 cases in JSON: no valid resource is refused, and what is wrong in structure is found.

Most cases are about profiles, terminology, invariants and questionnaires, which structural validation does not judge.
"""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import Problem
from penstock.formats.fhir.json import decode
from penstock.formats.fhir.validate import check

#: Cases that the Java validator accepts and we do not, and why.
STRICTER = {
    "json-comments-2-yes": "comments are not JSON",
    "matchetype-pattern-1": "a pattern ($instant$) stands where R4 has a dateTime",
}
#: Invalid cases that are found to be so. May only rise.
FOUND = 29


@pytest.fixture(scope="module")
def cases(data_sets: Path) -> list[tuple[str, bytes, bool]]:
    """Name, content, and whether the Java validator found errors against the base specification."""
    folder = data_sets / "suites" / "validator-r4"
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["test-cases"]
    with tarfile.open(folder / "files.tar.xz") as archive:
        files = {
            member.name.removeprefix("./"): archive.extractfile(member) for member in archive.getmembers() if member.name.endswith(".json")
        }
        content = {name: file.read() for name, file in files.items() if file}
    return [(case["name"], content[case["file"]], _invalid(case)) for case in manifest if case["file"] in content]


def _invalid(case: dict[str, Any]) -> bool:
    if case.get("x_base_error_count") is not None:
        return bool(case["x_base_error_count"])
    issues = (case["java_outcome"] or {}).get("issue", [])
    return any(issue["severity"] in ("error", "fatal") for issue in issues)


def _refused(content: bytes) -> bool:
    try:
        return bool(check(decode(content)))
    except Problem:
        return True


def test_what_the_official_validator_accepts_is_accepted(cases: list[tuple[str, bytes, bool]]) -> None:
    refused = {name for name, content, invalid in cases if not invalid and _refused(content)}
    assert refused == STRICTER.keys()


def test_structural_errors_of_the_official_cases_are_found(cases: list[tuple[str, bytes, bool]]) -> None:
    assert sum(invalid and _refused(content) for _, content, invalid in cases) >= FOUND
