"""``$document`` (http://hl7.org/fhir/R4/composition-operation-document.html): a Composition and what it refers to, in one Bundle."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import uuid4

from penstock.api.fhir.read import present
from penstock.api.fhir.write import cause
from penstock.api.operations.call import Call, answer
from penstock.api.operations.operation import HL7, Operation, Parameter
from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.db import Tx
from penstock.errors import Problem
from penstock.formats.fhir import json
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.validate import require
from penstock.store import Change, Stored

Resource = dict[str, Any]
#: Resources that one document may hold.
MOST = 5_000


async def _document(parts: Parts, request: Request, call: Call) -> Reply:
    if call.one("graph") is not None:
        raise Problem("not-supported", "graphs are not followed: a document holds what its Composition refers to", at="graph")
    persist = call.one("persist", False)
    if persist and request.method != "POST":
        raise Problem("method", "a document is stored by POST")
    if persist:
        request.access.require("create", "Bundle")
    async with parts.database.transaction(readonly=True, isolation="repeatable_read") as tx:
        composition = present(await parts.store.read(tx, request.access, "Composition", _id(request, call)))
        resources = await _contents(parts, tx, request, composition)
    document = assemble(request.base + "/fhir", [composition, *resources], request.now)
    if not persist:
        return answer(request, document)
    require(document)
    change = Change("create", "Bundle", resource=document)
    written = await parts.writer.submit(request.access, change, cause(request, change))
    location = f"{request.base}/fhir/Bundle/{written.id}/_history/{written.ver}"
    return answer(request, json.decode(written.body), status=201, headers=((b"location", location.encode()),))


def _id(request: Request, call: Call) -> str:
    given = call.one("id")
    if call.id is not None:
        if given is not None:
            raise Problem("invalid", "the composition is named by the URL", at="id")
        return call.id
    if given is None:
        raise Problem("required", "say which composition by id", at="id")
    own = given.removeprefix(f"{request.base}/fhir/").removeprefix("Composition/")
    if "/" in own:
        raise Problem("not-supported", "this composition is not on this server", at="id")
    return str(own)


async def _contents(parts: Parts, tx: Tx, request: Request, composition: Stored) -> list[Stored]:
    """Everything that the Composition refers to, its sections included, in the order in which it names it."""
    keys = list(dict.fromkeys(referred(composition.resource(), request.base + "/fhir/")))
    if len(keys) > MOST:
        raise Problem("too-costly", "this composition refers to more resources than one document may hold")
    found = await parts.store.read_many(tx, request.access, keys)
    if any(key not in found for key in keys):
        raise Problem("business-rule", "the composition refers to a resource that is not here: the document would not be whole")
    return [found[key] for key in keys if key != (composition.type, composition.id)]


def referred(value: Any, base: str) -> Iterator[tuple[str, str]]:
    """The resources that the references in ``value`` name; one on another server cannot be part of the document."""
    if isinstance(value, list):
        for each in value:
            yield from referred(each, base)
    elif isinstance(value, dict):
        reference = value.get("reference")
        if isinstance(reference, str) and not reference.startswith("#"):
            yield _key(reference.removeprefix(base))
        for name, each in value.items():
            if name != "contained" and isinstance(each, dict | list):
                yield from referred(each, base)


def _key(reference: str) -> tuple[str, str]:
    type, _, id = reference.partition("/_history/")[0].partition("/")
    if type not in r4().resource_types or not id or "/" in id:
        raise Problem("business-rule", "the composition refers to a resource on another server: the document would not be whole")
    return type, id


def assemble(base: str, resources: list[Stored], now: datetime) -> Resource:
    """The document: the Composition first (bundle.html#document), with an identifier of its own."""
    return {
        "resourceType": "Bundle",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{uuid4()}"},
        "type": "document",
        "timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "entry": [{"fullUrl": f"{base}/{each.type}/{each.id}", "resource": each.resource()} for each in resources],
    }


DOCUMENT = Operation(
    "document", _document, "fhir:read", ("type", "instance"), "A composition and everything that it refers to, as a document",
    types=("Composition",), canonical=HL7 + "Composition-document",
    parameters=(
        Parameter("id", "uri", text="The composition, where the URL does not name it"),
        Parameter("persist", "boolean", text="Store the document as a Bundle; not by GET"),
        Parameter("graph", "uri", text="Not served: graphs are not followed"),
        Parameter("return", "Bundle", 1, use="out", text="The document"),
    ),
)  # fmt: skip
