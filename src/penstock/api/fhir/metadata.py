"""``GET /fhir/metadata``: the CapabilityStatement, generated from routes, operations, definitions and what the store can search by.

Nothing in it is written by hand about what is served: an interaction that has no route is not declared, nor the other way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import penstock
from penstock.api.fhir.subject import fhir_reply, pretty_wanted
from penstock.api.negotiate import want_fhir
from penstock.api.operations.operation import Operation
from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.api.router import Handler, Route
from penstock.formats.fhir.definitions import SearchParam, r4
from penstock.formats.fhir.json import encode
from penstock.store.search.types import KINDS, TYPES

#: (path, method) of a route to the code of its interaction (http://hl7.org/fhir/R4/valueset-type-restful-interaction.html).
INTERACTIONS: dict[tuple[str, str], str] = {
    ("/fhir/{type}/{id}", "GET"): "read",
    ("/fhir/{type}/{id}/_history/{version}", "GET"): "vread",
    ("/fhir/{type}/{id}", "PUT"): "update",
    ("/fhir/{type}/{id}", "PATCH"): "patch",
    ("/fhir/{type}/{id}", "DELETE"): "delete",
    ("/fhir/{type}/{id}/_history", "GET"): "history-instance",
    ("/fhir/{type}/_history", "GET"): "history-type",
    ("/fhir/{type}", "POST"): "create",
    ("/fhir/{type}", "GET"): "search-type",
}
#: The same for the whole system; one route serves two of them.
SYSTEM_INTERACTIONS: dict[tuple[str, str], tuple[str, ...]] = {
    ("/fhir", "POST"): ("transaction", "batch"),
    ("/fhir", "GET"): ("search-system",),
    ("/fhir/_history", "GET"): ("history-system",),
}
#: When what is served changed last.
_DATE = "2026-11-21"
#: Stands for the URL under which a client sees us.
_BASE = "http://base.invalid"
_OAUTH = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"


def metadata(routes: Sequence[Route], operations: Sequence[Operation]) -> Handler:
    """The handler that tells what ``routes`` and ``operations`` serve."""
    made: list[bytes] = []

    async def capabilities(parts: Parts, request: Request) -> Reply:
        """What this server does (http://hl7.org/fhir/R4/http.html#capabilities)."""
        want_fhir(request)
        if not made:
            made.append(encode(statement(routes, operations)))
        body = made[0].replace(_BASE.encode(), request.base.encode())
        return fhir_reply(200, body, pretty=pretty_wanted(request))

    return capabilities


def statement(routes: Sequence[Route], operations: Sequence[Operation]) -> dict[str, Any]:
    """The statement of a server at :data:`_BASE`, which is replaced by the URL under which a client sees it."""
    pairs = [(route.path, method) for route in routes for method in route.methods]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": _DATE,
        "kind": "instance",
        "software": {"name": "Penstock", "version": penstock.__version__},
        "implementation": {"description": "Penstock", "url": f"{_BASE}/fhir"},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [
            {
                "mode": "server",
                "security": _security(f"{_BASE}/auth/token"),
                "resource": [_resource(type_, pairs, operations) for type_ in sorted(r4().resource_types)],
                "interaction": [{"code": code} for pair in pairs for code in SYSTEM_INTERACTIONS.get(pair, ())],
                "operation": [_operation(each) for each in operations if "system" in each.levels],
            }
        ],
    }


def _operation(operation: Operation) -> dict[str, Any]:
    url = operation.canonical or f"{_BASE}/fhir/OperationDefinition/{operation.id}"
    return {"name": operation.code, "definition": url}


def _security(token: str) -> dict[str, Any]:
    """Where tokens are given, in the extension that clients look for (SMART App Launch, "Using CapabilityStatement")."""
    return {
        "extension": [{"url": _OAUTH, "extension": [{"url": "token", "valueUri": token}]}],
        "service": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/restful-security-service", "code": "SMART-on-FHIR"}]}],
    }


def _resource(type_: str, pairs: Sequence[tuple[str, str]], operations: Sequence[Operation]) -> dict[str, Any]:
    called = [each for each in operations if type_ in (each.types or (type_,)) and each.levels != ("system",)]
    return {
        "type": type_,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{type_}",
        "interaction": [{"code": INTERACTIONS[pair]} for pair in pairs if pair in INTERACTIONS],
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": ("/fhir/{type}", "PUT") in pairs,
        "conditionalDelete": "single" if ("/fhir/{type}", "DELETE") in pairs else "not-supported",
        "referencePolicy": ["literal", "local"],
        "searchParam": [{"name": param.code, "definition": param.url, "type": param.type} for param in searchable(type_)],
        **({"operation": [_operation(each) for each in called]} if called else {}),
    }


def searchable(type_: str) -> list[SearchParam]:
    """The parameters of a type that the store compiles."""
    every = r4().search_params(type_).values()
    return [param for param in every if param.expression and KINDS.get(param.code, param.type) in TYPES]
