"""Cursors: where a page ended, sealed so that it can stand in a link.

A cursor holds a sort key, which may be a patient's date: it is encrypted (AES-256-GCM), and bound to the query and to the caller as
additional data, so that a link of another search or another caller does not open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from penstock.auth.access import Access
from penstock.errors import Problem
from penstock.store.search.plan import After
from penstock.store.search.query import Query

_NONCE = 12


class Sealer:
    """Seals and opens the cursors of one search for one caller. ``types`` is what was asked for: which types are in use may change."""

    def __init__(self, key: bytes, access: Access, query: Query, types: str) -> None:
        self._cipher = AESGCM(key)
        bound = (access.tenant, access.client, access.patient, types, query.used, query.within)
        self._binding = hashlib.sha256(repr(bound).encode()).digest()

    def seal(self, after: After) -> str:
        """The text of a cursor."""
        nonce = os.urandom(_NONCE)
        sealed = self._cipher.encrypt(nonce, msgspec.msgpack.encode(after), self._binding)
        return base64.urlsafe_b64encode(nonce + sealed).decode().rstrip("=")

    def open(self, text: str) -> After:
        """Where the page before ended; ``invalid`` for a cursor of another search or caller, or none of ours."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            opened = self._cipher.decrypt(raw[:_NONCE], raw[_NONCE:], self._binding)
            return msgspec.msgpack.decode(opened, type=After)
        except (InvalidTag, ValueError, binascii.Error, msgspec.MsgspecError):
            raise Problem("invalid", "this page link is not of this search and this caller", at="_cursor") from None
