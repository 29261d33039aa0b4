"""``demands/*.yaml``: what a site asks of resources."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.errors import Problem, Problems
from penstock.formats.fhir.validate.demands import Demand
from penstock.site import load_site


def _site(folder: Path, text: str) -> Path:
    (folder / "demands").mkdir()
    (folder / "demands" / "one.yaml").write_text(text, encoding="utf-8")
    return folder


def test_a_demand_says_what_its_file_says(tmp_path: Path) -> None:
    text = (
        "name: minimum\ntype: Patient\nsources: [mllp]\nunmet: warn\nprofiles: ['http://p.example/sd']\nelements: [name.family]\n"
        "identifier_systems: ['urn:mrn']\nprovenance: required\nunknown_profiles: reject\n"
    )
    assert load_site(_site(tmp_path, text)).demands == (
        Demand(
            "minimum",
            "Patient",
            sources=frozenset(("mllp",)),
            rejects=False,
            profiles=("http://p.example/sd",),
            elements=("name.family",),
            identifier_systems=frozenset(("urn:mrn",)),
            provenance=True,
            unknown_profile="error",
        ),
    )


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("name: one\ntype: Person2\nelements: [name]\n", "type"),
        ("name: one\nelements: [name]\n", "type"),
        ("name: one\ntype: Patient\n", ""),
        ("name: one\ntype: Patient\nelements: [nmae]\n", "elements[0]"),
        ("name: one\ntype: Patient\nelements: ['name.where(']\n", "elements[0]"),
        ("name: one\ntype: Patient\nprofiles: [us-core-patient]\n", "profiles[0]"),
        ("name: one\ntype: Patient\nelements: [name]\nunmet: ignore\n", "unmet"),
        ("name: one\ntype: Patient\nunknown_profiles: reject\n", ""),
        ("name: one\ntype: Patient\nelements: [name]\nunknown_profiles: ignore\n", "unknown_profiles"),
        ("name: one\ntype: Patient\nelements: [name]\nsource: [mllp]\n", "source"),
    ],
)
def test_a_demand_that_cannot_be_asked_is_wrong_before_the_first_resource(tmp_path: Path, text: str, at: str) -> None:
    assert (f"demands/one.yaml: {at}" if at else "demands/one.yaml") in _places(_site(tmp_path, text))


def test_a_demand_on_a_source_that_the_site_does_not_have_is_wrong(tmp_path: Path) -> None:
    assert _places(_site(tmp_path, "name: one\ntype: Patient\nelements: [name]\nsources: [nobody]\n")) == ["demands: one: sources"]


def _places(folder: Path) -> list[str]:
    with pytest.raises(Problem) as caught:
        load_site(folder)
    problems = caught.value.problems if isinstance(caught.value, Problems) else (caught.value,)
    return [problem.at for problem in problems]
