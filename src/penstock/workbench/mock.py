"""``penstock mock``: a server that does what a CapabilityStatement says, and no more, for those who write its clients.

Penstock itself answers, on a data folder of its own: the mock is stateful and strict because the server behind it is. In front stands
the contract: what it does not declare (a type, an interaction, a search parameter, an operation) is refused as the partner would refuse
it. Faults come on order: by rule for all clients (``--fault``), or for one request by its ``Penstock-Mock`` header.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from penstock.api.serve import Served
from penstock.client import Client
from penstock.errors import MEANINGS, Problem
from penstock.formats.fhir import json
from penstock.formats.fhir.outcome import outcome
from penstock.running import Running
from penstock.settings import Settings, read_settings
from penstock.workbench.token import mint_token

Scope = MutableMapping[str, Any]
Resource = dict[str, Any]

#: What a request is, by its method and by what follows the type in its path ("" for nothing): http://hl7.org/fhir/R4/http.html#summary.
_TYPE: Mapping[tuple[str, str], str] = {
    ("GET", ""): "search-type",
    ("POST", ""): "create",
    ("PUT", ""): "update",
    ("PATCH", ""): "patch",
    ("DELETE", ""): "delete",
    ("POST", "_search"): "search-type",
    ("GET", "_history"): "history-type",
    ("GET", "id"): "read",
    ("PUT", "id"): "update",
    ("PATCH", "id"): "patch",
    ("DELETE", "id"): "delete",
    ("GET", "id/_history"): "history-instance",
    ("GET", "id/_history/id"): "vread",
}
_SYSTEM: Mapping[tuple[str, str], str] = {
    ("POST", ""): "transaction",
    ("GET", ""): "search-system",
    ("POST", "_search"): "search-system",
    ("GET", "_history"): "history-system",
    ("GET", "metadata"): "capabilities",
}
#: Parameters of every search that ask how the answer looks, not what is found.
_CONTROLS = frozenset("_count _cursor _elements _format _include _pretty _revinclude _sort _summary _total".split())
_SCOPE, _LIFETIME = "system/*.cruds", timedelta(hours=2)
_FAULT = re.compile(
    r"(?P<where>\*|[A-Za-z]+(?:/[a-z-]+)?)=(?P<status>[45][0-9]{2})(?:@(?P<every>[1-9][0-9]{0,5}))?(?:\+(?P<delay>[0-9]{1,5})ms)?"
)
_ORDER = re.compile(r"(?:status=(?P<status>[45][0-9]{2}))?;?\s*(?:delay=(?P<delay>[0-9]{1,5}))?")


class Asked(NamedTuple):
    """One request: the resource type ("" for the system) and the interaction, or the operation with its dollar sign."""

    type: str
    interaction: str


class Fault(NamedTuple):
    """``where`` is ``*``, a type, or ``Type/interaction``; each ``every``-th such request fails with ``status``, after ``delay_ms``."""

    where: str
    status: int
    every: int
    delay_ms: int

    def meets(self, asked: Asked) -> bool:
        return self.where in ("*", asked.type, f"{asked.type}/{asked.interaction}")


def read_fault(text: str) -> Fault:
    """A fault as it is written on the command line: ``Patient/read=503@3+200ms``. Problem("value") when it is not."""
    found = _FAULT.fullmatch(text)
    if found is None:
        raise Problem("value", "a fault is written WHERE=STATUS, such as Patient/read=503@3+200ms", at="--fault")
    return Fault(found["where"], int(found["status"]), int(found["every"] or 1), int(found["delay"] or 0))


def asked_of(method: str, path: str) -> Asked | None:
    """What a request to ``/fhir…`` is; None for what FHIR does not have."""
    first, *rest = path.removeprefix("/fhir").strip("/").split("/")
    method = "GET" if method == "HEAD" else method
    operation = next((part for part in (first, *rest) if part.startswith("$")), None)
    if operation:
        return Asked("" if first == operation else first, operation)
    if not first or first.startswith(("_", "metadata")):
        found = _SYSTEM.get((method, first))
        return Asked("", found) if found else None
    shape = "/".join(part if part.startswith("_") else "id" for part in rest)
    found = _TYPE.get((method, shape))
    return Asked(first, found) if found else None


@dataclass
class Contract:
    """What a CapabilityStatement declares for a server."""

    statement: Resource
    interactions: dict[str, frozenset[str]] = field(default_factory=dict)
    parameters: dict[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.statement.get("resourceType") != "CapabilityStatement":
            raise Problem("invalid", "the contract is a CapabilityStatement")
        server = next((rest for rest in self.statement.get("rest", ()) if rest.get("mode") == "server"), None)
        if server is None:
            raise Problem("invalid", "the CapabilityStatement declares no server", at="CapabilityStatement.rest")
        self._declare("", server)
        for resource in server.get("resource", ()):
            self._declare(resource.get("type", ""), resource)

    def _declare(self, type: str, part: Mapping[str, Any]) -> None:
        codes = {one["code"] for one in part.get("interaction", ())} | {f"${one['name']}" for one in part.get("operation", ())}
        if not type:
            codes |= {"capabilities"} | ({"transaction"} if "batch" in codes else set())
        self.interactions[type] = frozenset(codes)
        self.parameters[type] = frozenset(one["name"] for one in part.get("searchParam", ()))

    def refusal(self, asked: Asked | None, query: Sequence[tuple[str, str]]) -> Problem | None:
        """Why the contract does not allow a request, or None."""
        if asked is None or asked.type not in self.interactions:
            return Problem("not-found", "the contract does not declare this resource type")
        if asked.interaction not in self.interactions[asked.type]:
            return Problem("method", "the contract does not declare this interaction")
        if asked.interaction in ("search-type", "search-system"):
            known = self.parameters[asked.type] | self.parameters[""] | _CONTROLS
            if any(re.split("[:.]", name, maxsplit=1)[0] not in known for name, _ in query):
                return Problem("not-supported", "the contract does not declare this search parameter")
        return None

    def told(self, base: str) -> bytes:
        """The CapabilityStatement of this instance of it."""
        return json.encode(self.statement | {"kind": "instance", "implementation": {"description": "a mock of this contract", "url": base}})


class Mock:
    """An ASGI application in front of the real one. ``token`` is lent to requests that bring none; ``binding`` once examples are in."""

    def __init__(self, app: Served, contract: Contract, faults: Sequence[Fault], token: Callable[[], str]) -> None:
        self._app, self._contract, self._faults, self._token = app, contract, faults, token
        self._counts: Counter[int] = Counter()
        self.binding = False

    def close(self) -> None:
        self._app.close()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if not self.binding or scope["type"] != "http" or not scope["path"].startswith("/fhir"):
            return await self._app(scope, receive, send)
        asked = asked_of(scope["method"], scope["path"])
        headers = dict(scope["headers"])
        status, delay_ms = self._ordered(headers, asked)
        if delay_ms:
            await asyncio.sleep(delay_ms / 1000)
        if status:
            return await _answer(send, status, _fault_outcome(status))
        refusal = self._contract.refusal(asked, parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        if refusal is not None:
            return await _answer(send, refusal.meaning.http, json.encode(outcome(refusal)))
        if asked == Asked("", "capabilities"):
            host = headers.get(b"host", b"").decode("latin-1")
            return await _answer(send, 200, self._contract.told(f"{scope['scheme']}://{host}/fhir"))
        if b"authorization" not in headers:
            scope["headers"] = [*scope["headers"], (b"authorization", f"Bearer {self._token()}".encode())]
        return await self._app(scope, receive, send)

    def _ordered(self, headers: Mapping[bytes, bytes], asked: Asked | None) -> tuple[int, int]:
        """The status (0: none) and delay in milliseconds that a rule or this request's own header orders."""
        order = _ORDER.fullmatch(headers.get(b"penstock-mock", b"").decode("latin-1"))
        if order and order[0]:
            return int(order["status"] or 0), int(order["delay"] or 0)
        for number, fault in enumerate(self._faults):
            if asked is not None and fault.meets(asked):
                self._counts[number] += 1
                if self._counts[number] % fault.every == 0:
                    return fault.status, fault.delay_ms
        return 0, 0


def _fault_outcome(status: int) -> bytes:
    code = next((code for code, meaning in MEANINGS.items() if meaning.http == status), "exception")
    return json.encode(outcome(Problem(code, "this fault was ordered from the mock")))


async def _answer(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/fhir+json; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def examples(paths: Iterable[Path]) -> Iterator[Resource]:
    """The resources in files and folders: JSON (a resource, or a Bundle of them) and NDJSON. Each keeps its id."""
    for path in paths:
        files = sorted(path.rglob("*.json")) + sorted(path.rglob("*.ndjson")) if path.is_dir() else [path]
        for file in files:
            texts = file.read_bytes().splitlines() if file.suffix == ".ndjson" else [file.read_bytes()]
            for text in texts:
                if text.strip():
                    yield from _unpacked(json.decode(text))


def _unpacked(resource: Resource) -> Iterator[Resource]:
    if resource.get("resourceType") == "Bundle" and resource.get("type") in ("collection", "transaction", "batch", "searchset"):
        yield from (entry["resource"] for entry in resource.get("entry", ()) if "resource" in entry)
    else:
        yield resource


def load_bundle(resources: Iterable[Resource], contract: Contract) -> Resource:
    """One batch that puts every example whose type the contract declares and that has an id."""
    kept = [one for one in resources if one.get("resourceType") in contract.interactions and one.get("id")]
    entries = [{"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}} for one in kept]
    return {"resourceType": "Bundle", "type": "batch", "entry": entries}


def serve_mock(contract: Path, paths: Sequence[Path], faults: Sequence[str], http: str | None) -> None:
    """Serve the contract on a data folder of its own, which is removed at the end, until SIGTERM or Ctrl-C."""
    from penstock import app

    try:
        declared, rules = Contract(json.decode(contract.read_bytes())), [read_fault(text) for text in faults]
        bundle = load_bundle(examples(paths), declared)
    except OSError:
        raise Problem("not-found", "a file of the contract or its examples cannot be read") from None
    with tempfile.TemporaryDirectory(prefix="penstock-mock-") as folder:
        given = read_settings(data=Path(folder), http=http, roles=("api",), workers=1)
        settings = given.model_copy(update={"log_level": "warning"})

        mocks: list[Mock] = []

        def around(api: Served) -> Mock:
            mocks.append(Mock(api, declared, rules, _tokens(settings)))
            return mocks[0]

        async def load(settings: Settings, found: Running) -> None:
            client = Client(found.http, mint_token(settings, client="mock", scope=_SCOPE, lifetime=_LIFETIME))
            answer = await asyncio.to_thread(client.post, "/fhir", bundle, media="application/fhir+json") if bundle["entry"] else {}
            mocks[0].binding = True
            print(f"penstock mock http={found.http} examples={_stored(answer)}", flush=True)  # noqa: T201 # what a script waits for

        app.run(settings, on_ready=lambda _: None, afterwards=load, around=around)


def _tokens(settings: Settings) -> Callable[[], str]:
    """Lends one token, renewed before it ends."""

    @lru_cache(maxsize=1)
    def minted(hour: int) -> str:
        return mint_token(settings, client="mock", scope=_SCOPE, lifetime=_LIFETIME)

    return lambda: minted(int(time.time() // 3600))


def _stored(answer: Resource) -> int:
    return sum(entry["response"]["status"].startswith("2") for entry in answer.get("entry", ()))
