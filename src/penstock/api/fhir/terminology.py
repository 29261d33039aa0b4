"""``GET /fhir/metadata?mode=terminology``: the TerminologyCapabilities (http://hl7.org/fhir/R4/terminologycapabilities.html)."""

from __future__ import annotations

from typing import Any

import penstock
from penstock.api.operations import expand
from penstock.terminology import Terminology


def capabilities(terminology: Terminology, base: str, date: str) -> dict[str, Any]:
    """What the terminology operations know and take; ``base`` is the URL of our FHIR endpoint."""
    return {
        "resourceType": "TerminologyCapabilities",
        "url": f"{base}/metadata?mode=terminology",
        "version": penstock.__version__,
        "name": "Penstock",
        "title": "Penstock",
        "status": "active",
        "date": date,
        "kind": "instance",
        "software": {"name": "Penstock", "version": penstock.__version__},
        "implementation": {"description": "Penstock", "url": base},
        "lockedDate": False,
        "codeSystem": [_system(url, versions) for url, versions in terminology.systems().items()],
        "expansion": {
            "hierarchical": True,
            "paging": True,
            "incomplete": False,
            "parameter": expand.parameters(),
            "textFilter": "Words that a code or one of its names has, in any case, also within a word",
        },
        "codeSearch": "all",
        "validateCode": {"translations": True},
        "translation": {"needsMap": True},
        "closure": {"translation": False},
    }


def _system(url: str, versions: list[str]) -> dict[str, Any]:
    rows = [{"code": version} for version in versions if version]
    return {"uri": url, **({"version": rows} if rows else {}), "subsumption": True}
