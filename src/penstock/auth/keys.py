"""The keys that sign our tokens: P-256, made at first start in the data folder, readable by nobody else.

A folder holds ``signing-0001.pem``, ``signing-0002.pem``, …; the highest number signs, all of them verify, so a key is rotated
by adding one and removed when the last token under it has expired. A key id is the RFC 7638 thumbprint of the public key.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from joserfc.jwk import ECKey

from penstock.errors import Problem


class Keys:
    """The signing keys of one data folder; a key that another process adds is found when a token names it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._by_kid: dict[str, ECKey] = {}
        self._seen = -1
        self._read()

    @property
    def signing(self) -> tuple[str, ECKey]:
        """(key id, key) of the newest key."""
        return next(reversed(self._by_kid.items()))

    def find(self, kid: str) -> ECKey | None:
        """The key of that id, or None."""
        if kid not in self._by_kid and self._folder.stat().st_mtime_ns != self._seen:
            self._read()
        return self._by_kid.get(kid)

    def jwks(self) -> dict[str, list[dict[str, Any]]]:
        """The public halves, as ``/auth/jwks`` shows them (RFC 7517, section 5)."""
        return {"keys": [{**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": "ES256"} for kid, key in self._by_kid.items()]}

    def _read(self) -> None:
        self._seen = self._folder.stat().st_mtime_ns
        keys = [_load(path) for path in sorted(self._folder.glob("signing-*.pem"))]
        self._by_kid = {key.thumbprint(): key for key in keys}


def open_keys(data: Path) -> Keys:
    """The keys under ``data/keys``, the first of which is made when there is none."""
    folder = data / "keys"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not any(folder.glob("signing-*.pem")):
        _write(folder, 1)
    return Keys(folder)


def add_key(data: Path) -> None:
    """Rotate: a new key signs from now on, the older ones still verify."""
    folder = data / "keys"
    _write(folder, 1 + max((int(path.stem.removeprefix("signing-")) for path in folder.glob("signing-*.pem")), default=0))


def _write(folder: Path, number: int) -> None:
    # Written aside and linked into place: two starting programs agree on one key, and nobody reads half of one.
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    aside = folder / f".new-{os.getpid()}"
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(aside, folder / f"signing-{number:04}.pem")
    except FileExistsError:
        pass  # another program was first: its key is the key
    finally:
        aside.unlink()


def _load(path: Path) -> ECKey:
    if path.stat().st_mode & 0o077:
        raise Problem("invalid", "a signing key in the data folder can be read by others: its mode must be 0600")
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Problem("invalid", "a signing key in the data folder is not a P-256 key")
    return ECKey.import_key(path.read_bytes())
