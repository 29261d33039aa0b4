"""One call of an operation: the request read and checked, then handed to the operation of the type that it names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.api.fhir.accept import decoded
from penstock.api.fhir.subject import FORM, fhir_reply, id_of, type_of, version_of
from penstock.api.negotiate import preference
from penstock.api.operations.operation import Level, Operation
from penstock.api.operations.parameters import Given, Value, decode, encode, from_query, joined, require_declared
from penstock.api.parts import Parts
from penstock.api.reply import Header, Reply
from penstock.api.request import Request
from penstock.errors import Problem
from penstock.formats.fhir import json


@dataclass(frozen=True, slots=True)
class Call:
    """What an operation was called with. ``type``, ``id`` and ``version`` are those of the path, as far as it has them."""

    operation: Operation
    level: Level
    given: Given
    type: str | None = None
    id: str | None = None
    version: int | None = None

    def one(self, name: str, default: Any = None) -> Any:
        """The value of a parameter that has one at most."""
        return self.given.one(name, default)

    def many(self, name: str) -> tuple[Any, ...]:
        """The values of a parameter, in their order."""
        return self.given[name]


def handler(level: Level, operations: Sequence[Operation]) -> Callable[[Parts, Request], Awaitable[Reply]]:
    """The handler of a route: that of the one among ``operations`` of one code that is called on the type of the path."""
    by_type: Mapping[str, Operation] = {type_: each for each in operations for type_ in each.types or ("*",)}

    async def serve(parts: Parts, request: Request) -> Reply:
        type_ = type_of(request) if "type" in request.params else None
        operation = by_type.get(type_ or "", by_type.get("*")) if type_ else operations[0]
        if operation is None:
            raise Problem("not-found", "this operation is not served for this resource type")
        if request.method not in operation.methods:
            raise Problem("method", "an operation that changes something is called by POST")
        call = Call(operation, level, await _given(request, operation), type_, _id(request), _version(request))
        return await operation.handler(parts, request, call)

    serve.__doc__ = operations[0].text
    return serve


def answer(request: Request, resource: Any, *, status: int = 200, headers: tuple[Header, ...] = ()) -> Reply:
    """The answer of an operation that gives one resource."""
    return fhir_reply(status, json.encode(resource), headers)


def answer_parameters(request: Request, *values: Value) -> Reply:
    """The answer of an operation as Parameters: ``("result", "boolean", True)``, …"""
    return answer(request, encode(values))


async def _given(request: Request, operation: Operation) -> Given:
    """The parameters of the URL and of the body: Parameters, or the one resource that the operation takes."""
    lenient = preference(request.header(b"prefer")).handling == "lenient"
    takes = operation.takes
    pairs = ((name, value) for name, value in request.arguments() if name not in FORM)
    given = from_query(pairs, takes, lenient=lenient or operation.open)
    body = await request.body() if request.method == "POST" and not operation.raw else b""
    if body:
        given = joined(given, _of_body(request, body, operation, lenient))
    return require_declared(given, takes)


def _of_body(request: Request, body: bytes, operation: Operation, lenient: bool) -> Given:
    resource = decoded(request, body)
    if resource.get("resourceType") == "Parameters":
        return decode(resource, operation.takes, lenient=lenient)
    of_type = [each.name for each in operation.takes if each.type == resource.get("resourceType")]
    names = of_type or [each.name for each in operation.takes if each.type == "Resource"]
    if len(names) != 1:
        raise Problem("invalid", "an operation takes a Parameters resource", at="resourceType")
    return Given({names[0]: [resource]})


def _id(request: Request) -> str | None:
    return id_of(request) if "id" in request.params else None


def _version(request: Request) -> int | None:
    return version_of(request) if "version" in request.params else None
