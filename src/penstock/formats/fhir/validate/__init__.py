"""Is this a valid R4 resource? ``check`` answers with all that is wrong with its structure, fast enough for every write;
:class:`~penstock.formats.fhir.validate.validator.Validator` also asks invariants, profiles, extensions, codes and references.

Issues hold paths, names of definitions and constant words, never values.
"""

from __future__ import annotations

from typing import Any

from penstock.errors import Problem, Problems
from penstock.formats.fhir.path import Env
from penstock.formats.fhir.validate import invariants
from penstock.formats.fhir.validate.base import MOST, check
from penstock.formats.fhir.validate.issue import Issue

__all__ = ["MOST", "Issue", "check", "require", "require_sound"]


def require_sound(resource: dict[str, Any]) -> None:
    """Raise what is wrong with structure, else which invariants are broken that R4 calls errors: what is stored is right in both."""
    require(resource)
    broken = invariants.visit(resource, Env(resource=resource, root=resource), warnings=False)
    if broken:
        raise Problems([Problem("invariant", invariants.words(each), at=resource["resourceType"] + each.at) for each in broken[:MOST]])


def require(resource: dict[str, Any]) -> None:
    """Raise what ``check`` finds, as Problems."""
    if issues := check(resource):
        raise Problems([Problem(issue.code, issue.text, at=issue.at) for issue in issues])
