"""The door: a bearer token becomes an Access, or the request ends here, before its body is read."""

from __future__ import annotations

import hashlib

from penstock.api.request import Request
from penstock.auth.keys import Keys
from penstock.auth.tokens import Realm, Verified, verify
from penstock.errors import Problem

_REMEMBERED = 4096


class Door:
    """Verifies tokens once: a signature costs 70 µs, the digest of a token that was good before one third of one."""

    def __init__(self, keys: Keys, realm: Realm) -> None:
        self._keys = keys
        self._realm = realm
        self._good: dict[bytes, Verified] = {}

    def admit(self, request: Request) -> Verified:
        """Who asks, and until when; no token or a bad one is ``login`` (RFC 6750, section 3).

        A token in the URL or the body is not looked for.
        """
        header = request.headers.get(b"authorization")
        if header is None:
            raise Problem("login", "a bearer token is needed here")
        kind, _, token = header.partition(b" ")
        if kind.lower() != b"bearer" or not token:
            raise Problem("login", "a bearer token is needed here")
        digest = hashlib.sha256(token).digest()
        known = self._good.get(digest)
        if known is None:
            known = verify(self._keys, self._realm, token.strip().decode("latin-1"), now=request.now)
            if len(self._good) >= _REMEMBERED:
                self._good.clear()
            self._good[digest] = known
        elif known.expires <= request.now.timestamp():
            del self._good[digest]
            raise Problem("login", "the bearer token is not valid here, or no longer")
        return known
