"""``penstock check``: a site as a whole, before it goes live. It loads, its maps compile, and its own messages become what it expects.

A test of the site is a message ``tests/<interface>/<name>.hl7`` (or ``tests/<name>.hl7``, for the interface mllp) and beside it
``<name>.json``: a list of facts such as ``{"resource": "Patient", "path": "name[0].family", "value": "Smith"}``. A fact holds when some
resource of that type has that value among what the FHIRPath finds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from penstock.convert import convert, to_bundle
from penstock.errors import Problem, Problems
from penstock.formats.fhir import json as fhir
from penstock.formats.fhir import path as fhirpath
from penstock.formats.fhir.definitions import r4
from penstock.settings import Settings
from penstock.site import Site, load_site
from penstock.workbench.convert import Bench


class Checked(NamedTuple):
    """What was looked at, and what is wrong with it."""

    interfaces: int
    clients: int
    webhooks: int
    rows: int
    tests: int
    problems: list[Problem]


def check_site(settings: Settings) -> Checked:
    """All problems of the site at once; its tests run only where it loads and compiles."""
    try:
        site = load_site(settings.site, zone=settings.zone)
        site.plans()
    except Problems as found:
        return Checked(0, 0, 0, 0, 0, list(found.problems))
    except Problem as problem:
        return Checked(0, 0, 0, 0, 0, [problem])
    except ExceptionGroup as group:
        found_in_maps = [Problem(one.code, one.text, at=f"maps: {one.at}") for one in group.exceptions if isinstance(one, Problem)]
        return Checked(0, 0, 0, 0, 0, found_in_maps)
    tests = sorted((settings.site / "tests").rglob("*.hl7")) if settings.site else []
    problems = [problem for test in tests for problem in _failures(test, settings.site or Path(), site)]
    return Checked(
        len(site.channels),
        len(site.clients),
        len(site.webhooks),
        sum(len(one.rows) + len(one.codes) for one in site.overlays.values()),
        len(tests),
        problems,
    )


def _failures(test: Path, folder: Path, site: Site) -> Iterator[Problem]:
    """What is not as the facts beside a message say."""
    where = test.relative_to(folder).as_posix()
    try:
        facts = _facts(test.with_suffix(".json"))
        interface = test.parent.name if test.parent != folder / "tests" else "mllp"
        resources = _resources(test, Bench(site.plan(channel := site.channel(interface)), channel))
    except Problem as problem:
        yield Problem(problem.code, problem.text, at=f"{where}: {problem.at}" if problem.at else where)
        return
    for place, fact in enumerate(facts, start=1):
        try:
            problem_text = None if _holds(fact, resources) else "the message does not become what this fact says"
        except Problem as problem:
            problem_text = problem.text
        if problem_text:
            yield Problem("value", problem_text, at=f"{where}: fact {place}, {fact['resource']} {fact['path']}")


def _facts(path: Path) -> list[dict[str, Any]]:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Problem("required", "there are no expected facts (.json) beside this message") from None
    except ValueError:
        raise Problem("structure", "the facts beside this message are not JSON") from None
    whole = isinstance(facts, list) and all(isinstance(fact, dict) and fact.keys() == {"resource", "path", "value"} for fact in facts)
    if not whole or not all(fact["resource"] in r4().resource_types and isinstance(fact["path"], str) for fact in facts):
        raise Problem("structure", "the facts beside this message are a list of {resource, path, value}")
    return list(facts)


def _resources(test: Path, bench: Bench) -> list[dict[str, Any]]:
    bundle = to_bundle(convert(bench.read(test.read_bytes()), bench.plan, bench.context()))
    return [entry["resource"] for entry in json.loads(fhir.encode(bundle))["entry"]]


def _holds(fact: dict[str, Any], resources: list[dict[str, Any]]) -> bool:
    find = fhirpath.compile(fact["path"], fact["resource"])
    return any(fact["value"] in find(resource) for resource in resources if resource["resourceType"] == fact["resource"])
