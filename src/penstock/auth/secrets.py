"""Secrets that are made at first use and kept in the data folder, readable by nobody else: signing secrets of webhooks, sealing keys.

They are named, never written into the site. To replace one, delete its file and start again: the new one is told to the subscriber.
"""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

from penstock.errors import Problem


def made_secret(data: Path, name: str) -> str:
    """The secret of that name under ``data/keys`` (``whsec_…``, 256 random bits); made when there is none yet."""
    folder = data / "keys"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{name}.secret"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if path.stat().st_mode & 0o077:
            raise Problem("invalid", "a secret in the data folder can be read by others: its mode must be 0600") from None
        return path.read_text(encoding="ascii").strip()
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        made = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        file.write(made + "\n")
        file.flush()
        os.fsync(file.fileno())
    return made
