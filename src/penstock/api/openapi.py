"""``GET /openapi.json``: the routes as OpenAPI 3.1, generated from the table. FHIR itself is described by ``/fhir/metadata``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import penstock
from penstock.api.parts import Parts
from penstock.api.reply import Reply, json_reply
from penstock.api.request import Request
from penstock.api.router import Handler, Route

_PARAMETER = re.compile(r"\{(\w+)\}")


def openapi(routes: Sequence[Route]) -> Handler:
    """The handler that describes ``routes``."""

    async def describe(parts: Parts, request: Request) -> Reply:
        """What the table of routes says, for machines."""
        return json_reply(description(routes, request.base))

    return describe


def description(routes: Sequence[Route], base: str) -> dict[str, Any]:
    """The OpenAPI document of ``routes`` under a base URL."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        for method in route.methods:
            paths.setdefault(route.path, {})[method.lower()] = _operation(route.path, method, route.policy, route.summary)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Penstock", "version": penstock.__version__},
        "servers": [{"url": base}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "responses": {"problem": {"description": "A problem (RFC 9457), or an OperationOutcome under /fhir"}},
        },
    }


def _operation(path: str, method: str, policy: str, summary: str) -> dict[str, Any]:
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in _PARAMETER.findall(path)]
    return {
        "operationId": f"{method.lower()}_{re.sub(r'[^a-z0-9]+', '_', path.lower()).strip('_')}",
        "summary": summary,
        "parameters": parameters,
        "security": [] if policy == "open" else [{"token": []}],
        "x-penstock-policy": policy,
        "responses": {"default": {"$ref": "#/components/responses/problem"}, "2XX": {"description": summary}},
    }
