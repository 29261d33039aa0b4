"""``$graphql`` (http://hl7.org/fhir/R4/graphql.html), of the system and of one resource.

References and searches are fetched in rounds, all that one level of the query needs at once, within the caller's Access.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from penstock.api.fhir.read import present
from penstock.api.operations.call import Call
from penstock.api.operations.everything import may_see
from penstock.api.operations.operation import HL7, Operation, Parameter
from penstock.api.parts import Parts
from penstock.api.reply import JSON, Reply
from penstock.api.request import Request
from penstock.auth.access import Access
from penstock.db import Tx
from penstock.errors import Problem
from penstock.formats.fhir.graphql import Asked, Field, Known, Paged, Projection, read
from penstock.formats.fhir.outcome import outcome

#: Rounds of fetching, and what all of them may fetch.
ROUNDS, RESOURCES, SEARCHES = 12, 5_000, 100
_ENCODE = msgspec.json.Encoder(decimal_format="number").encode


async def _graphql(parts: Parts, request: Request, call: Call) -> Reply:
    try:
        query, operation, variables = await _asked(request, call)
        fields = read(query, operation=operation, variables=variables)
        async with parts.database.transaction(readonly=True, isolation="repeatable_read") as tx:
            data = await _answer(parts, request, call, tx, fields)
    except Problem as problem:
        if problem.meaning.http >= 500:
            raise
        error = {"message": problem.text, "extensions": {"code": problem.code, "resource": outcome(problem)}}
        return Reply(problem.meaning.http, _ENCODE({"errors": [error]}), JSON)
    return Reply(200, _ENCODE({"data": data}), JSON)


async def _answer(parts: Parts, request: Request, call: Call, tx: Tx, fields: tuple[Field, ...]) -> dict[str, Any]:
    known, base = Known(), request.base + "/fhir"
    root = None
    if call.type and call.id:
        root = present(await parts.store.read(tx, request.access, call.type, call.id)).resource()
    for _ in range(ROUNDS):
        projection = Projection(known, base)
        data = projection.system(fields) if root is None else projection.instance(root, fields)
        if known.complete:
            return data
        await _fetch(parts, tx, request.access, known)
    raise Problem("too-costly", "this query follows references too far", at="query")


async def _fetch(parts: Parts, tx: Tx, access: Access, known: Known) -> None:
    """Get what is wanted. A type that the caller may not read has nothing in it that could be found."""
    if len(known.resources) + len(known.wanted) > RESOURCES or len(known.pages) + len(known.searches) > SEARCHES:
        raise Problem("too-costly", "this query follows too many references, or searches too often", at="query")
    for asked in known.searches:
        known.pages[asked] = await _page(parts, tx, access, asked)
    found = await parts.store.read_many(tx, access, {key for key in known.wanted if may_see(access, key[0], "read")})
    for key in known.wanted:
        known.resources[key] = found[key].resource() if key in found else None
    known.searches.clear()
    known.wanted.clear()


async def _page(parts: Parts, tx: Tx, access: Access, asked: Asked) -> Paged:
    pairs = [*asked.pairs, ("_total", "accurate")] if asked.counted else list(asked.pairs)
    page = await parts.store.search(tx, access, asked.type, pairs)
    return Paged([(entry.stored.resource(), entry.mode) for entry in page.entries], page.total, dict(page.links))


async def _asked(request: Request, call: Call) -> tuple[str, str | None, Mapping[str, Any]]:
    """The query, the name of the operation, and the variables: from the URL, from JSON, or as the body itself."""
    kind = (request.header(b"content-type") or "").partition(";")[0].strip().lower()
    if request.method != "POST" or call.one("query") is not None:
        return _checked(call.one("query"), call.one("operationName"), _decoded(call.one("variables")))
    body = await request.body()
    if kind == "application/graphql":
        try:
            return body.decode(), None, {}
        except UnicodeDecodeError:
            raise Problem("invalid", "the query is not UTF-8", at="query") from None
    if kind != "application/json":
        raise Problem("media-type", "a query is sent as application/graphql or application/json", at="http.content-type")
    given = _decoded(body)
    return _checked(given.get("query"), given.get("operationName"), given.get("variables") or {})


def _checked(query: Any, operation: Any, variables: Any) -> tuple[str, str | None, Mapping[str, Any]]:
    if not isinstance(query, str) or not isinstance(operation, str | None) or not isinstance(variables, dict):
        raise Problem("invalid", "a query is a text, its operationName a text, and its variables an object", at="query")
    return query, operation, variables


def _decoded(text: str | bytes | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Problem("structure", "this is not valid JSON", at="variables") from None
    if not isinstance(found, dict):
        raise Problem("structure", "this is not a JSON object", at="variables")
    return found


GRAPHQL = Operation(
    "graphql", _graphql, "token", ("system", "instance"), "Answer a GraphQL query",
    canonical=HL7 + "Resource-graphql", raw=True,
    parameters=(
        Parameter("query", "string", text="The query; by POST it may be the body, as application/graphql or application/json"),
        Parameter("operationName", "string", text="Which operation of the document is meant"),
        Parameter("variables", "string", text="Values of variables, as JSON"),
        Parameter("result", "Binary", 1, use="out", text="JSON: data, or errors"),
    ),
)  # fmt: skip
