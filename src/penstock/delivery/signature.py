"""Signatures of webhooks, by the Standard Webhooks specification (https://www.standardwebhooks.com): HMAC-SHA256 over id, time and body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

from penstock.errors import Problem

_PREFIX = "whsec_"


def key_of_secret(secret: str) -> bytes:
    """The key of a secret: ``whsec_`` and base64, or any other text as its bytes."""
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise Problem("value", "a signing secret that begins with whsec_ must go on in base64") from None


def sign(secrets: Sequence[str], id_: str, timestamp: int, body: bytes) -> str:
    """The ``webhook-signature`` header: one signature for each secret, so that a secret can be replaced without a gap."""
    signed = f"{id_}.{timestamp}.".encode() + body
    marks = (hmac.digest(key_of_secret(secret), signed, hashlib.sha256) for secret in secrets)
    return " ".join("v1," + base64.b64encode(mark).decode() for mark in marks)


def verify(secret: str, id_: str, timestamp: int, body: bytes, header: str, *, now: int, tolerance_s: int = 300) -> bool:
    """Whether a received webhook is ours and fresh: what a subscriber does (see docs/events.md)."""
    wanted = sign([secret], id_, timestamp, body)
    fresh = abs(now - timestamp) <= tolerance_s
    return fresh and any(hmac.compare_digest(wanted.encode(), mark.encode()) for mark in header.split(" "))
