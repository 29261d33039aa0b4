"""Tokens that no honest library makes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from joserfc.jwk import ECKey


def part(value: object) -> str:
    """One part of a compact token."""
    return _b64(json.dumps(value).encode())


def hmac_signed(header: dict[str, Any], claims: dict[str, Any], key: ECKey) -> str:
    """The classic confusion: the public key, which everybody has, used as the secret of an HMAC."""
    text = f"{part(header)}.{part(claims)}"
    digest = hmac.new(key.as_pem(private=False), text.encode(), hashlib.sha256).digest()
    return f"{text}.{_b64(digest)}"


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
