"""``/health/live`` (the process answers) and ``/health/ready`` (everything that it needs works)."""

from __future__ import annotations

from penstock.api.parts import Parts
from penstock.api.reply import Reply, json_reply
from penstock.api.request import Request


async def live(parts: Parts, request: Request) -> Reply:
    """Always 200: whoever reads it has proven it."""
    return json_reply({"status": "live"})


async def ready(parts: Parts, request: Request) -> Reply:
    """200 when every check holds, else 503; it names the checks and nothing about them."""
    checks = await parts.ready()
    good = all(checks.values())
    status = {"status": "ready" if good else "not ready", "checks": dict(checks)}
    return json_reply(status, 200 if good else 503, () if good else ((b"retry-after", b"1"),))
