"""Routes and how one is found: a tree of path segments, in which a name of our own wins over a parameter.

Every route has a policy, and a table with a route that has none does not build: default deny is a property of the table.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from penstock.api.parts import Parts
from penstock.api.reply import Reply, Stream
from penstock.api.request import Request
from penstock.auth.access import LETTERS, Access

Handler = Callable[[Parts, Request], Awaitable[Reply | Stream]]
Allows = Callable[[Access, dict[str, str]], bool]


class Route(NamedTuple):
    """One row of the table.

    ``policy`` is ``open`` (anybody), ``token`` (any good token: the handler decides entry by entry), ``fhir:<interaction>`` (a
    scope for the resource type of the path, or for all types where the path has none), or an operations scope such as
    ``admin/trace.r``. ``media`` is what a problem is told in.
    """

    path: str
    methods: tuple[str, ...]
    policy: str
    handler: Handler
    summary: str

    @property
    def fhir(self) -> bool:
        """Whether problems here are OperationOutcomes."""
        return self.path.startswith("/fhir")


class Found(NamedTuple):
    """The route of a path and method; ``route`` is None when the method is not served there."""

    route: Route | None
    params: dict[str, str]
    methods: tuple[str, ...]


@dataclass
class _Node:
    names: dict[str, _Node] = field(default_factory=dict)
    parameter: _Node | None = None
    parameter_name: str = ""
    routes: dict[str, Route] = field(default_factory=dict)


class Router:
    """Compiled routes; ``allows`` is the compiled policy of each."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        self.allows: dict[Route, Allows | None] = {}
        for route in routes:
            self.allows[route] = compile_policy(route)
            node = self._root
            for segment in route.path.strip("/").split("/"):
                node = _step(node, segment)
            for method in route.methods:
                if method in node.routes:
                    raise ValueError(f"two routes for {method} {route.path}")
                node.routes[method] = route

    def find(self, method: str, path: str) -> Found | None:
        """What is served at ``path``; None when nothing is. A single slash at the end does not matter."""
        node = self._root
        params: dict[str, str] = {}
        for segment in path.removesuffix("/")[1:].split("/"):
            following = node.names.get(segment)
            if following is None:
                following = node.parameter
                if following is None or not segment:
                    return None
                params[node.parameter_name] = segment
            node = following
        if not node.routes:
            return None
        return Found(node.routes.get(method), params, tuple(node.routes))


def compile_policy(route: Route) -> Allows | None:
    """Whether an Access may use the route, as a function; None for an open one. No policy, or one nobody understands, is an error."""
    policy = route.policy
    if policy == "open":
        return None
    if policy == "token":
        return lambda access, params: True
    kind, _, interaction = policy.partition(":")
    if kind == "fhir" and interaction in LETTERS:
        return lambda access, params: access.permits(interaction, params.get("type", "*"))
    if kind.partition("/")[0] in ("admin", "events", "ingest") and "/" in kind and "." in kind:
        return lambda access, params: access.operates(policy)
    raise ValueError(f"the route {route.path} has no policy")


def _step(node: _Node, segment: str) -> _Node:
    if not segment.startswith("{"):
        return node.names.setdefault(segment, _Node())
    name = segment[1:-1]
    if node.parameter is None:
        node.parameter, node.parameter_name = _Node(), name
    elif node.parameter_name != name:
        raise ValueError(f"one place in the path has two names: {name} and {node.parameter_name}")
    return node.parameter
