"""A transaction put together resource by resource: what is created can be referred to at once (http.html#transaction)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

from penstock.formats.fhir.validate import require_sound
from penstock.sdk.r4 import Reference


class Done(NamedTuple):
    """What became of one entry: the HTTP status, and the reference of the resource with its version, where one is left."""

    status: int
    reference: str | None
    version: int | None


class Transaction:
    """All of it is done, or nothing."""

    def __init__(self) -> None:
        self._entries: list[dict[str, Any]] = []

    def create(self, resource: Mapping[str, Any], *, if_none_exist: str | None = None) -> Reference:
        """Create a resource; what comes back refers to it within this transaction."""
        name = f"urn:uuid:{uuid.uuid4()}"
        condition = {"ifNoneExist": if_none_exist} if if_none_exist else {}
        self._add(_sound(resource), "POST", resource["resourceType"], name, **condition)
        return {"reference": name}

    def update(self, resource: Mapping[str, Any], *, if_match: int | None = None) -> Reference:
        """Write a resource under its id; with ``if_match`` only over that version."""
        url = f"{resource['resourceType']}/{resource['id']}"
        condition = {"ifMatch": f'W/"{if_match}"'} if if_match is not None else {}
        self._add(_sound(resource), "PUT", url, None, **condition)
        return {"reference": url}

    def delete(self, kind: type[Any], id: str) -> None:
        self._add(None, "DELETE", f"{kind.__name__}/{id}", None)

    def bundle(self) -> dict[str, Any]:
        """The Bundle that is posted."""
        return {"resourceType": "Bundle", "type": "transaction", **({"entry": self._entries} if self._entries else {})}

    def _add(self, resource: dict[str, Any] | None, method: str, url: str, name: str | None, **conditions: str) -> None:
        entry: dict[str, Any] = {"fullUrl": name} if name else {}
        if resource is not None:
            entry["resource"] = resource
        self._entries.append(entry | {"request": {"method": method, "url": url, **conditions}})


def _sound(resource: Mapping[str, Any]) -> dict[str, Any]:
    """``resource``, when the server's own validation has nothing against it."""
    sound = dict(resource)
    require_sound(sound)
    return sound
