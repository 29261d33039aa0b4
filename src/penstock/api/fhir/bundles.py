"""Bundles put together as bytes (http://hl7.org/fhir/R4/bundle.html): resources go in as they are stored, without being parsed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import orjson

from penstock.events.look import Agent
from penstock.store import Stored

#: What a version in a history was done by (http.html#history).
_METHODS: Mapping[str, tuple[str, str]] = {"create": ("POST", "201"), "update": ("PUT", "200"), "delete": ("DELETE", "204")}


def bundle(kind: str, entries: Iterable[bytes], *, total: int | None = None, links: Iterable[tuple[str, str]] = ()) -> bytes:
    """A Bundle of entries that are JSON already; ``links`` are (relation, URL)."""
    parts = [b'{"resourceType":"Bundle","type":', orjson.dumps(kind)]
    if total is not None:
        parts.append(b',"total":%d' % total)
    link = [{"relation": relation, "url": url} for relation, url in links]
    if link:
        parts += (b',"link":', orjson.dumps(link))
    joined = b",".join(entries)
    if joined:
        parts += (b',"entry":[', joined, b"]")
    parts.append(b"}")
    return b"".join(parts)


def search_entry(base: str, stored: Stored, mode: str) -> bytes:
    """One entry of a searchset; ``mode`` is match or include."""
    return b'{"fullUrl":"%b/fhir/%b/%b","resource":%b,"search":{"mode":"%b"}}' % (
        base.encode(), stored.type.encode(), stored.id.encode(), stored.body, mode.encode(),
    )  # fmt: skip


def outcome_entry(outcome: bytes) -> bytes:
    """What the server has to say about a search (search.html#2.21.1.3)."""
    return b'{"resource":%b,"search":{"mode":"outcome"}}' % outcome


def history_entry(base: str, stored: Stored, agent: Agent | None) -> bytes:
    """One version in a history, and who made it; a deletion has no resource."""
    method, status = _METHODS[stored.op]
    request: dict[str, object] = {"method": method, "url": stored.type if method == "POST" else f"{stored.type}/{stored.id}"}
    if agent is not None:
        known = (("agent", agent.source), ("trace", agent.trace_id))
        request["extension"] = [{"url": f"urn:penstock:history:{name}", "valueString": value} for name, value in known if value]
    response = {"status": status, "etag": f'W/"{stored.ver}"', "lastModified": instant(stored)}
    resource = b'"resource":%b,' % stored.body if stored.body else b""
    return b'{"fullUrl":"%b/fhir/%b/%b",%b"request":%b,"response":%b}' % (
        base.encode(), stored.type.encode(), stored.id.encode(), resource, orjson.dumps(request), orjson.dumps(response),
    )  # fmt: skip


def instant(stored: Stored) -> str:
    """When a version was made, as its ``meta.lastUpdated`` says it."""
    return stored.last_updated.isoformat(timespec="milliseconds").replace("+00:00", "Z")
