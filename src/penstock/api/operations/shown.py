"""The definitions of our operations, read like stored resources: ``GET /fhir/OperationDefinition/Resource-meta``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from penstock.api.fhir import read
from penstock.api.operations.call import answer
from penstock.api.operations.operation import Operation, definition
from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.errors import Problem


def reader(operations: tuple[Operation, ...]) -> Callable[[Parts, Request], Awaitable[Reply]]:
    """read, which finds the definitions of ``operations`` where nothing is stored under their ids."""
    by_id: Mapping[str, Operation] = {each.id: each for each in operations}

    async def read_or_show(parts: Parts, request: Request) -> Reply:
        """``GET /fhir/{type}/{id}``: the current version; 410 when it was deleted, 404 when it was never there."""
        try:
            return await read.read(parts, request)
        except Problem as problem:
            operation = by_id.get(request.params["id"]) if request.params["type"] == "OperationDefinition" else None
            if problem.code != "not-found" or operation is None:
                raise
        return answer(request, definition(operation, request.base + "/fhir"))

    return read_or_show
