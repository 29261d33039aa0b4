"""Is this a valid R4 resource? ``check`` answers with all that is wrong with its structure, fast enough for every write;
:class:`~penstock.formats.fhir.validate.validator.Validator` also asks invariants, profiles, extensions, codes and references.

Issues hold paths, names of definitions and constant words, never values.
"""

from __future__ import annotations

from typing import Any

from penstock.errors import Problem, Problems
from penstock.formats.fhir.validate.base import MOST, check
from penstock.formats.fhir.validate.issue import Issue

__all__ = ["MOST", "Issue", "check", "require"]


def require(resource: dict[str, Any]) -> None:
    """Raise what ``check`` finds, as Problems."""
    if issues := check(resource):
        raise Problems([Problem(issue.code, issue.text, at=issue.at) for issue in issues])
