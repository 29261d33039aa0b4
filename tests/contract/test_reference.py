"""The reference pages are made from the contract: what changes there changes the page, and an old page fails the check."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from penstock.api.operations import OPERATIONS
from penstock.api.router import Route
from penstock.api.routes import ROUTES

ROOT = Path(__file__).parents[2]


@pytest.fixture
def reference(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "tools")  # its own folder, as when it is run
    spec = importlib.util.spec_from_file_location("reference", ROOT / "tools" / "reference.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.req("FH-14")
def test_a_change_of_the_contract_changes_its_page(reference: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    before = reference.routes_page(), reference.operations_page()
    monkeypatch.setattr(sys, "argv", ["reference.py", "--check"])
    monkeypatch.setattr(reference, "PAGES", {"routes.md": reference.routes_page, "operations.md": reference.operations_page})
    planted = Route("/fhir/planted", ("GET",), "fhir:read", ROUTES[0].handler, "a route that was not there")
    monkeypatch.setattr(reference, "ROUTES", (*ROUTES, planted))
    monkeypatch.setattr(reference, "OPERATIONS", OPERATIONS[1:])
    after = reference.routes_page(), reference.operations_page()
    assert "| `/fhir/planted` | GET | `fhir:read` | a route that was not there |" in after[0]
    assert before[0] == after[0].replace("| `/fhir/planted` | GET | `fhir:read` | a route that was not there |\n", "")
    assert f"## `${OPERATIONS[0].code}`" in before[1] and before[1] != after[1]
    assert reference.main() == 1, "pages that are not of this contract fail the check"


def test_every_route_and_operation_is_on_its_page(reference: ModuleType) -> None:
    assert all(f"| `{route.path}` |" in reference.routes_page() for route in ROUTES)
    assert all(f"({operation.id})" in reference.operations_page() for operation in OPERATIONS)
