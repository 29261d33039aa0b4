"""The official validator's R4 cases as data: what is validated, against what, and what the Java validator found."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir import json as fhir_json
from penstock.formats.fhir import xml as fhir_xml
from penstock.formats.fhir.canonical import Shelf
from penstock.formats.fhir.validate import Issue
from penstock.formats.fhir.validate.policy import Policy
from penstock.formats.fhir.validate.validator import Validator
from penstock.terminology import Terminology

Json = dict[str, Any]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
#: How the Java validator is set up for these cases: what is not known is an error, but for the domains of examples, as is a display
#: that its code does not have.
EXAMPLE_DOMAINS = ("http://example.org/", "http://acme.")


@dataclass(frozen=True)
class Case:
    """One judgement: a file against R4 and what the case loads, or also against one profile."""

    name: str
    file: str
    invalid: bool
    definitions: tuple[str, ...]
    profile: str | None = None
    settings: Json = field(default_factory=dict, hash=False)


def read(folder: Path) -> tuple[list[Case], dict[str, bytes]]:
    """All cases that need no outside package, and all files."""
    with tarfile.open(folder / "files.tar.xz") as archive:
        members = [(member.name.removeprefix("./"), archive.extractfile(member)) for member in archive.getmembers()]
        files = {name: file.read() for name, file in members if file}
    rows = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["test-cases"]
    return [case for row in rows if row["x_selfcontained"] for case in _judgements(row)], files


def _judgements(row: Json) -> list[Case]:
    definitions = (*row.get("profiles", ()), *row.get("supporting", ()))
    found = []
    if (invalid := _invalid(row["java_outcome"])) is not None:
        found.append(Case(row["name"], row["file"], invalid, definitions, settings=row))
    profile = row.get("profile")
    if profile and (invalid := _invalid(row["profile_java_outcome"])) is not None:
        more = (*definitions, *profile.get("supporting", ()), profile["source"])
        found.append(Case(f"{row['name']} / profile", row["file"], invalid, more, profile["source"], row))
    return found


def _invalid(outcome: Json | None) -> bool | None:
    """Whether the Java validator found errors; None where its outcome is not given."""
    if not outcome or "missing" in outcome:
        return None
    if "errorCount" in outcome:
        return bool(outcome["errorCount"])
    return any(issue["severity"] in ("error", "fatal") for issue in outcome.get("issue", ()))


def _read(name: str, files: dict[str, bytes]) -> Json | None:
    """A definition that a case loads; one that is not in the archive, or is no FHIR, is not known. It is not judged: any order will do."""
    try:
        return decode(name, files[name], ordered=False) if name in files else None
    except Problem:
        return None


def decode(name: str, content: bytes, *, ordered: bool = True) -> Json:
    return fhir_xml.decode(content, ordered=ordered) if name.endswith(".xml") else fhir_json.decode(content)


def judge(case: Case, files: dict[str, bytes], resolve: Callable[[str], Json | None]) -> list[Issue]:
    """What this project's validator says of a case; content that cannot be read is an issue too."""
    try:
        resource = decode(case.file, files[case.file])
    except Problem as problem:
        return [Issue("error", problem.code, problem.text, problem.at)]
    shelf = Shelf(definition for name in case.definitions if (definition := _read(name, files)) is not None)
    validator = Validator(shelf, Terminology(shelf), resolve=resolve)
    profiles = (decode(case.profile, files[case.profile], ordered=False)["url"],) if case.profile else ()
    domains = (*EXAMPLE_DOMAINS, *((case.settings["allowed-extension-domain"],) if "allowed-extension-domain" in case.settings else ()))
    markup = "error" if case.settings.get("security-checks") else ""
    policy = Policy("error", "error", () if case.settings.get("examples") is False else domains, markup, "error")
    issues = validator.check(resource, profiles, policy=policy, now=NOW)
    for entry, profile in _entries(resource, case.settings.get("bundle-param")):
        issues += validator.check(entry, [profile], policy=policy, now=NOW)
    return issues


def _entries(bundle: Json, asked: Json | None) -> list[tuple[Json, str]]:
    """The entry of a Bundle that a case also asks to be validated against a profile: ``Patient:0`` is the first Patient."""
    if asked is None:
        return []
    type, _, number = asked["rule"].partition(":")
    entries = [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == type]
    return [(entries[int(number)], asked["profile"])]


def resolver(files: dict[str, bytes]) -> Callable[[str], Json | None]:
    """Finds what a reference names among all files, by type and id."""
    known = {}
    for name, content in files.items():
        if name.endswith((".json", ".xml")):
            try:
                resource = decode(name, content)
            except Problem:
                continue
            known[resource.get("resourceType"), resource.get("id")] = resource

    def resolve(reference: str) -> Json | None:
        parts = reference.split("/")
        return known.get((parts[-2], parts[-1])) if len(parts) > 1 else None

    return resolve
