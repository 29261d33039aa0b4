"""What validation says: one issue a finding."""

from __future__ import annotations

from typing import NamedTuple


class Issue(NamedTuple):
    """``severity`` is error, warning or information, ``code`` an issue type as in :data:`penstock.errors.MEANINGS`, ``at`` a FHIRPath.

    ``rule`` is what was broken: the key of an invariant (``obs-7``) or a kind of constraint (``min``, ``max``, ``fixed``, ``slice``, …).
    ``profile`` and ``element`` name the profile and the id of its element that ask for it; both are empty for R4 itself.
    """

    severity: str
    code: str
    text: str
    at: str
    rule: str = ""
    profile: str = ""
    element: str = ""
