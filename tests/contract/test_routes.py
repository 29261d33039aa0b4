"""One suite for every route of the table: none answers a stranger, each has a policy, each refuses what it does not serve."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from penstock.api.app import build
from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.api.router import Route, Router, compile_policy
from penstock.api.routes import ROUTES

CALLS = [(route, method) for route in ROUTES for method in route.methods]
#: Any good token may post a Bundle: what is in it is decided entry by entry (see test_bundle).
SCOPED = [(route, method) for route, method in CALLS if route.policy not in ("open", "token")]
#: What is published: anything that is added here is a decision about what a stranger may see.
OPEN = {
    "/health/live", "/health/ready", "/fhir/metadata", "/fhir/.well-known/smart-configuration", "/auth/jwks", "/auth/token",
    "/openapi.json",
}  # fmt: skip


def name(value: Any) -> str:
    return value.path if isinstance(value, Route) else str(value)


def path(route: Route) -> str:
    return re.sub(r"\{(\w+)\}", lambda name: "Patient" if name[1] == "type" else "1", route.path)


def test_what_is_open_is_a_decision() -> None:
    assert {route.path for route in ROUTES if route.policy == "open"} == OPEN


@pytest.mark.req("ID-01")
async def test_without_a_token_only_discovery_and_health_answer(stranger: httpx.AsyncClient) -> None:
    for route, method in CALLS:
        response = await stranger.request(method, path(route))
        if route.path in OPEN:
            assert response.status_code not in (401, 403) or route.path == "/auth/token", route.path
        else:
            assert response.status_code == 401, f"{method} {route.path} answered a stranger"
            assert response.headers["www-authenticate"].startswith("Bearer")
    for nowhere in (
        "/",
        "/admin",
        "/admin/v1/nothing",
        "/fhir/Patient/1/$everything",
        "/docs",
        "/.env",
        "/fhir/metadata/x",
        "//",
        "/console",
    ):
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            response = await stranger.request(method, nowhere)
            assert response.status_code == 401, f"{method} {nowhere} told a stranger that it is not there"


@pytest.mark.parametrize(("route", "method"), SCOPED, ids=name)
async def test_a_token_without_the_scope_is_refused(stranger: httpx.AsyncClient, token: Any, route: Route, method: str) -> None:
    scope = "system/Basic.cruds admin/other.crud events/other.crud ingest/other.crud"
    stranger.headers["authorization"] = f"Bearer {token(scope)}"
    response = await stranger.request(method, path(route))
    assert response.status_code == 403
    assert method == "HEAD" or "does not allow" in response.text


@pytest.mark.parametrize("policy", ["", "public", "fhir:", "fhir:everything", "admin", "admin/", "none", "Open"])
def test_a_route_without_a_policy_stops_the_start(parts: Parts, policy: str) -> None:
    async def handler(parts: Parts, request: Request) -> Reply:
        return Reply(200)

    with pytest.raises(ValueError, match="no policy"):
        build(parts, [*ROUTES, Route("/planted", ("GET",), policy, handler, "planted")])


def test_two_routes_for_the_same_thing_stop_the_start() -> None:
    with pytest.raises(ValueError, match="two routes"):
        Router([*ROUTES, ROUTES[0]])


@pytest.mark.parametrize("route", ROUTES, ids=name)
def test_every_route_says_what_it_is(route: Route) -> None:
    assert route.summary and route.handler.__doc__
    assert route.methods
    compile_policy(route)


@pytest.mark.parametrize("route", ROUTES, ids=name)
async def test_a_method_that_is_not_served_is_405_with_what_is(client: httpx.AsyncClient, route: Route) -> None:
    response = await client.request("TRACE", path(route))
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) >= set(route.methods)


async def test_the_openapi_description_has_every_route_and_no_other(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert {(path, method.upper()) for path in paths for method in paths[path]} == {(route.path, method) for route, method in CALLS}
