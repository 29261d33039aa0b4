"""``$meta``, ``$meta-add`` and ``$meta-delete`` (http://hl7.org/fhir/R4/resource-operations.html): the labels of one resource."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.api.fhir.read import present
from penstock.api.fhir.write import cause, noted
from penstock.api.operations.call import Call, answer_parameters
from penstock.api.operations.operation import HL7, Operation, Parameter
from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.formats.fhir import json
from penstock.formats.fhir.validate import require
from penstock.store import Change
from penstock.store.labels import Label

Meta = dict[str, Any]
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
#: The labels of a resource are sets; what makes two of them the same.
_SETS: dict[str, Any] = {
    "profile": lambda url: url,
    "security": lambda coding: (coding.get("system"), coding.get("code")),
    "tag": lambda coding: (coding.get("system"), coding.get("code")),
}


async def _meta(parts: Parts, request: Request, call: Call) -> Reply:
    async with parts.database.connection() as tx:
        if call.id is None or call.type is None:
            labels = await parts.store.labels(tx, request.access, call.type)
            return answer_parameters(request, ("return", "Meta", meta_of(labels)))
        if call.version is None:
            stored = await parts.store.read(tx, request.access, call.type, call.id)
        else:
            stored = await parts.store.vread(tx, request.access, call.type, call.id, call.version)
    return answer_parameters(request, ("return", "Meta", present(stored).resource()["meta"]))


def meta_of(labels: Sequence[Label]) -> Meta:
    """Labels as a Meta; one that holds nothing says so, for an element is never empty."""
    found: Meta = {}
    for label in labels:
        coding = {"system": label.system, "code": label.code} if label.system else {"code": label.code}
        found.setdefault(label.param[1:], []).append(label.code if label.param == "_profile" else coding)
    return found or {"extension": [{"url": _ABSENT, "valueCode": "not-applicable"}]}


async def _meta_add(parts: Parts, request: Request, call: Call) -> Reply:
    return await _edit(parts, request, call, added)


async def _meta_delete(parts: Parts, request: Request, call: Call) -> Reply:
    return await _edit(parts, request, call, without)


async def _edit(parts: Parts, request: Request, call: Call, change: Any) -> Reply:
    given = call.one("meta")

    def edit(resource: dict[str, Any]) -> dict[str, Any]:
        changed = {**resource, "meta": change(resource.get("meta", {}), given)}
        require(changed)
        return changed

    assert call.type and call.id
    patch = Change("patch", call.type, call.id, edit=edit)
    outcome = noted(parts, request, await parts.writer.submit(request.access, patch, cause(request, patch)))
    return answer_parameters(request, ("return", "Meta", json.decode(outcome.body)["meta"]))


def added(meta: Meta, given: Meta) -> Meta:
    """``meta`` with the labels of ``given`` that it does not have; of two with the same identity the older stays as it is."""
    found = dict(meta)
    for name, identity in _SETS.items():
        labels: dict[Any, Any] = {}
        for each in (*meta.get(name, ()), *given.get(name, ())):
            labels.setdefault(identity(each), each)
        if labels:
            found[name] = list(labels.values())
    return found


def without(meta: Meta, given: Meta) -> Meta:
    """``meta`` without the labels of ``given``; one that it does not have is no error."""
    found = dict(meta)
    for name, identity in _SETS.items():
        gone = {identity(each) for each in given.get(name, ())}
        found[name] = [each for each in meta.get(name, ()) if identity(each) not in gone]
    return {name: value for name, value in found.items() if value != []}


_RETURN = Parameter("return", "Meta", 1, use="out", text="The meta of the resource, or the labels of all")
_GIVEN = Parameter("meta", "Meta", 1, text="Profiles, tags and security labels; a label is its system and code")

META = Operation(
    "meta",
    _meta,
    "fhir:read",
    ("system", "type", "instance", "version"),
    "The meta of a resource, or of one of its versions; the labels in use on a type, or on everything",
    parameters=(_RETURN,),
    canonical=HL7 + "Resource-meta",
)
META_ADD = Operation(
    "meta-add",
    _meta_add,
    "fhir:patch",
    ("instance",),
    "Add profiles, tags and security labels to a resource",
    parameters=(_GIVEN, _RETURN),
    changes=True,
    canonical=HL7 + "Resource-meta-add",
)
META_DELETE = Operation(
    "meta-delete",
    _meta_delete,
    "fhir:patch",
    ("instance",),
    "Take profiles, tags and security labels off a resource",
    parameters=(_GIVEN, _RETURN),
    changes=True,
    canonical=HL7 + "Resource-meta-delete",
)
