"""$everything for an access that is bound to one patient: its own record, and nobody else's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from penstock.api.operations.call import Call
from penstock.api.operations.everything import ENCOUNTER_EVERYTHING, PATIENT_EVERYTHING
from penstock.api.operations.lastn import LASTN
from penstock.api.operations.operation import Operation
from penstock.api.operations.parameters import Given
from penstock.api.parts import Parts
from penstock.api.request import Request
from penstock.auth.access import SYSTEM, Access, Scope
from penstock.errors import Problem
from penstock.store import Cause, Change
from tests.http_door import parts, recorded

__all__ = ["parts", "recorded"]

MINE = Access("app", (Scope("patient", "*", "rs"),), patient="one")


def about(type: str, id: str, patient: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": type, "id": id, "subject": {"reference": f"Patient/{patient}"}, **more}


SEEN: dict[str, Any] = {"status": "final", "code": {"text": "c"}, "encounter": {"reference": "Encounter/e1"}}
SCENE = [
    {"resourceType": "Patient", "id": "one"},
    {"resourceType": "Patient", "id": "two"},
    about("Encounter", "e1", "one", status="finished", **{"class": {"code": "AMB"}}),
    about("Encounter", "e2", "two", status="finished", **{"class": {"code": "AMB"}}),
    about("Observation", "o1", "one", **SEEN, focus=[{"reference": "Patient/two"}]),
    about("Observation", "o2", "two", **SEEN),
    {"resourceType": "Practitioner", "id": "doc"},
]  # fmt: skip


async def call(parts: Parts, operation: Operation, access: Access, type: str, id: str | None, query: str = "") -> list[str]:
    """Names of what the operation answers with."""
    changes = [Change("update", each["resourceType"], each["id"], each) for each in SCENE]
    await parts.store.ensure(parts.database, {change.type for change in changes})
    async with parts.database.transaction() as tx:
        await parts.store.write(tx, SYSTEM, changes, Cause("0" * 32, None, "test", datetime(2026, 1, 1, tzinfo=UTC)))
    request = Request("GET", f"/fhir/{type}/{id}/${operation.code}", query, {}, None, limit=1000)
    request.access, request.base = access, "http://penstock.test"
    reply = await operation.handler(parts, request, Call(operation, "instance", Given(), type, id))
    return sorted(f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in orjson.loads(reply.body).get("entry", []))


async def test_a_patient_sees_the_own_record_named_or_not(parts: Parts) -> None:
    own = ["Encounter/e1", "Observation/o1", "Patient/one"]
    assert await call(parts, PATIENT_EVERYTHING, MINE, "Patient", "one") == own
    assert await call(parts, PATIENT_EVERYTHING, MINE, "Patient", None) == own
    with pytest.raises(Problem, match="name the patient"):
        await call(parts, PATIENT_EVERYTHING, SYSTEM, "Patient", None)


async def test_a_patient_sees_nothing_of_another(parts: Parts) -> None:
    with pytest.raises(Problem) as refused:
        await call(parts, PATIENT_EVERYTHING, MINE, "Patient", "two")
    assert refused.value.code == "not-found"
    with pytest.raises(Problem) as refused:
        await call(parts, ENCOUNTER_EVERYTHING, MINE, "Encounter", "e2")
    assert refused.value.code == "not-found"
    assert await call(parts, ENCOUNTER_EVERYTHING, MINE, "Encounter", "e1") == ["Encounter/e1", "Observation/o1", "Patient/one"]
    assert await call(parts, LASTN, MINE, "Observation", None, "patient=two&code:text=c") == []
    assert await call(parts, LASTN, SYSTEM, "Observation", None, "patient=two&code:text=c") == ["Observation/o2"]


async def test_the_record_of_one_patient_brings_along_no_other(parts: Parts) -> None:
    assert "Patient/two" not in await call(parts, PATIENT_EVERYTHING, SYSTEM, "Patient", "one")
