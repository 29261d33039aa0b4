"""A Subscription is a standing read: whoever writes one must be allowed to read what it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.auth.access import Access
from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4


def require_readable(access: Access, resource: Mapping[str, Any]) -> None:
    """Refuse a Subscription to a resource type that ``access`` may not read; other resources pass."""
    if resource.get("resourceType") != "Subscription":
        return
    type_ = str(resource.get("criteria", "")).partition("?")[0]
    if type_ not in r4().resource_types:
        raise Problem("value", "the criteria must be a resource type, or a search on one", at="Subscription.criteria")
    access.require("read", type_)
