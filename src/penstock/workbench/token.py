"""``penstock token``: whoever can read the key in the data folder may mint; nobody else can."""

from __future__ import annotations

import contextlib
from datetime import timedelta

from penstock import running
from penstock.auth.keys import open_keys
from penstock.auth.tokens import mint, realm
from penstock.clock import SystemClock
from penstock.errors import Problem
from penstock.settings import Settings


def mint_token(settings: Settings, *, client: str, scope: str, lifetime: timedelta) -> str:
    """A token signed with the key of the data folder, for the program that runs on it (or will)."""
    if not client.strip() or client.startswith("penstock:"):
        raise Problem("invalid", "a client needs a name, and those that begin with penstock: are the program's own", at="client")
    base_url = settings.base_url
    with contextlib.suppress(Problem):  # it may be minted ahead of the start
        base_url = base_url or running.find(settings.data).base_url
    return mint(open_keys(settings.data), realm(base_url), client=client, scope=scope, now=SystemClock().now(), lifetime=lifetime)
