"""``GET /fhir/metadata``: the CapabilityStatement, generated from routes, operations, definitions and what the store can search by.

Nothing in it is written by hand about what is served: an interaction that has no route is not declared, nor the other way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import penstock
from penstock.api.fhir import terminology
from penstock.api.fhir.subject import fhir_reply
from penstock.api.operations.operation import Operation
from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.api.router import Handler, Route
from penstock.formats.fhir.definitions import SearchParam, r4
from penstock.formats.fhir.json import encode
from penstock.formats.fhir.patch import FORMATS as PATCHES
from penstock.formats.fhir.searchparams import Parameters
from penstock.settings import Settings
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
#: Types that a reference may lead to for it to be listed under each of them.
_FEW = 40
#: Search parameters that are read into others before anything is compiled.
_READ = ("_filter",)
_OAUTH = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"


def metadata(routes: Sequence[Route], operations: Sequence[Operation]) -> Handler:
    """The handler that tells what ``routes`` and ``operations`` serve. What it says is made again when settings or definitions change."""
    made: dict[tuple[Settings, Parameters], bytes] = {}

    async def capabilities(parts: Parts, request: Request) -> Reply:
        """What this server does, or what it knows of terminology (http://hl7.org/fhir/R4/http.html#capabilities)."""
        if ("mode", "terminology") in request.arguments():
            return fhir_reply(200, encode(terminology.capabilities(parts.terminology, f"{request.base}/fhir", _DATE)))
        key = parts.settings, parts.store.index.parameters
        if key not in made:
            made.clear()
            made[key] = encode(statement(routes, operations, *key))
        body = made[key].replace(_BASE.encode(), request.base.encode())
        return fhir_reply(200, body)

    return capabilities


def statement(routes: Sequence[Route], operations: Sequence[Operation], settings: Settings, parameters: Parameters) -> dict[str, Any]:
    """The statement of a server at :data:`_BASE`, which is replaced by the URL under which a client sees it."""
    reverse = pointing(parameters)
    pairs = [(route.path, method) for route in routes for method in route.methods]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": _DATE,
        "kind": "instance",
        "software": {"name": "Penstock", "version": penstock.__version__},
        "implementation": {"description": "Penstock", "url": f"{_BASE}/fhir"},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "application/fhir+xml", "json", "xml"],
        "patchFormat": [name for name in PATCHES if name.startswith("application/")],
        "rest": [
            {
                "mode": "server",
                "security": _security(f"{_BASE}/auth/token"),
                "resource": [
                    _resource(type_, pairs, operations, settings, searchable(parameters, type_), reverse[type_])
                    for type_ in sorted(r4().resource_types)
                ],
                "interaction": [{"code": code} for pair in pairs for code in SYSTEM_INTERACTIONS.get(pair, ())],
                "operation": [_operation(each) for each in operations if "system" in each.levels],
                "compartment": [f"http://hl7.org/fhir/CompartmentDefinition/{name.lower()}" for name in r4().compartments],
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


def _resource(
    type_: str,
    pairs: Sequence[tuple[str, str]],
    operations: Sequence[Operation],
    settings: Settings,
    params: list[SearchParam],
    reverse: list[str],
) -> dict[str, Any]:
    called = [each for each in operations if type_ in (each.types or (type_,)) and each.levels != ("system",)]
    return {
        "type": type_,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{type_}",
        "interaction": [{"code": INTERACTIONS[pair]} for pair in pairs if pair in INTERACTIONS],
        "versioning": "versioned" if {type_, "*"}.isdisjoint(settings.if_match_types) else "versioned-update",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": ("/fhir/{type}", "PUT") in pairs,
        "conditionalDelete": "single" if settings.delete_matches == 1 else "multiple",
        "referencePolicy": ["literal", "local"],
        "searchInclude": ["*", *(f"{type_}:{param.code}" for param in params if param.type == "reference")],
        **({"searchRevInclude": reverse} if reverse else {}),
        "searchParam": [{"name": param.code, "definition": param.url, "type": param.type} for param in params],
        **({"operation": [_operation(each) for each in called]} if called else {}),
    }


def pointing(parameters: Parameters) -> dict[str, list[str]]:
    """Resource type to the parameters that point at it; those that point at nearly anything would only make the statement long."""
    every = r4().resource_types
    found: dict[str, list[str]] = {type_: [] for type_ in every}
    for source in sorted(every):
        for param in searchable(parameters, source):
            if param.type == "reference" and len(param.targets) <= _FEW:
                for target in every.intersection(param.targets):
                    found[target].append(f"{source}:{param.code}")
    return found


def searchable(parameters: Parameters, type_: str) -> list[SearchParam]:
    """The parameters of a type that the store compiles."""
    every = parameters.of(type_).values()
    return [param for param in every if _is_compiled(param) or param.code in _READ]


def _is_compiled(param: SearchParam) -> bool:
    return bool(param.expression or param.code in KINDS) and KINDS.get(param.code, param.type) in TYPES
