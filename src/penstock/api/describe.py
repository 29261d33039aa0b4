"""The routes that describe the routes: a table is completed by what is generated from it, so that nothing needs to import the table."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.api.fhir.metadata import metadata
from penstock.api.openapi import openapi
from penstock.api.operations.operation import Operation
from penstock.api.router import Route


def described(served: Sequence[Route], operations: Sequence[Operation]) -> tuple[Route, ...]:
    """``served`` and what tells of them: OpenAPI, and the CapabilityStatement. They read the list when it is complete."""
    routes: list[Route] = []
    routes += (
        Route("/fhir/metadata", ("GET", "HEAD"), "open", metadata(routes, operations), "What this server does (CapabilityStatement)"),
        Route("/openapi.json", ("GET", "HEAD"), "open", openapi(routes), "This description"),
        *served,
    )
    return tuple(routes)
