"""``GET /openapi.json``: the routes as OpenAPI 3.1, generated from the table. FHIR itself is described by ``/fhir/metadata``."""

from __future__ import annotations

import re
from typing import Any

import penstock
from penstock.api.parts import Parts
from penstock.api.reply import Reply, json_reply
from penstock.api.request import Request

_PARAMETER = re.compile(r"\{(\w+)\}")


async def openapi(parts: Parts, request: Request) -> Reply:
    """What ``ROUTES`` says, for machines."""
    from penstock.api.routes import ROUTES  # the table holds this handler

    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        for method in route.methods:
            paths.setdefault(route.path, {})[method.lower()] = _operation(route.path, method, route.policy, route.summary)
    return json_reply(
        {
            "openapi": "3.1.0",
            "info": {"title": "Penstock", "version": penstock.__version__},
            "servers": [{"url": request.base}],
            "paths": paths,
            "components": {
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
                "responses": {"problem": {"description": "A problem (RFC 9457), or an OperationOutcome under /fhir"}},
            },
        }
    )


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
