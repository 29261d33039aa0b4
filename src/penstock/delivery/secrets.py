"""Header values of subscribers are secrets: they never reach the store, and nobody can read them back.

Strategy: before a Subscription is stored, :func:`take_secrets` replaces each header value by ``***`` and a random handle; the
value goes to the vault, sealed with a key from the data folder. The first subscription that uses a handle owns it, for the
origin it was given for: copying a handle, or moving the endpoint, does not lead a secret elsewhere.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.fernet import Fernet, InvalidToken

from penstock.db import Tx, named_sql
from penstock.errors import Problem

SQL = named_sql("penstock.delivery")

MASK = "***"
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token, RFC 9110 section 5.6.2
_VALUE = re.compile(r"[\t -~\x80-\xff]*")
_HANDLE = re.compile(r"\*\*\*([0-9a-f]{32})")

#: Headers that the connection itself needs: a subscriber may not set them (request smuggling, RFC 9112 section 11.2).
_OURS = {"host", "content-length", "content-type", "transfer-encoding", "connection", "te", "trailer", "upgrade", "expect", "keep-alive"}


class Secret(NamedTuple):
    """A value on its way into the vault; it shows itself to nobody."""

    handle: str
    value: str

    def __repr__(self) -> str:
        return "Secret(***)"


def new_handle() -> str:
    """A fresh handle: 128 random bits."""
    return os.urandom(16).hex()


def take_secrets(resource: Mapping[str, Any], mint: Callable[[], str] = new_handle) -> tuple[dict[str, Any], list[Secret]]:
    """A copy of the Subscription without header values, and the values. Store the copy; ``keep`` the secrets in the same transaction.

    A value that is already masked stays: a Subscription that was read, changed and put back keeps its secrets.
    """
    taken: list[Secret] = []

    def take(name: str, value: str) -> str:
        if value == MASK or _HANDLE.fullmatch(value):
            return f"{name}: {value}"
        taken.append(Secret(mint(), value))
        return f"{name}: {MASK}{taken[-1].handle}"

    return _with_headers(resource, take), taken


def redact(resource: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the Subscription in which no header value can be read, whatever way it came into the store."""
    return _with_headers(resource, lambda name, value: f"{name}: {value if _HANDLE.fullmatch(value) else MASK}")


def headers_of(resource: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(name, handle) of each header of a stored Subscription; a value without a handle is ``value``."""
    found = []
    for line in _lines(resource):
        name, value = _split(line)
        handle = _HANDLE.fullmatch(value)
        if handle is None:
            raise Problem("value", "a header value of this Subscription is not known: give it again", at="Subscription.channel.header")
        found.append((name, handle[1]))
    return found


def _with_headers(resource: Mapping[str, Any], change: Callable[[str, str], str]) -> dict[str, Any]:
    result = copy.deepcopy(dict(resource))
    lines = _lines(result)
    if lines:
        result["channel"]["header"] = [change(*_split(line)) for line in lines]
    return result


def _lines(resource: Mapping[str, Any]) -> list[Any]:
    channel = resource.get("channel")
    lines = channel.get("header") if isinstance(channel, dict) else None
    return lines if isinstance(lines, list) else []


def _split(line: object) -> tuple[str, str]:
    name, colon, value = line.partition(":") if isinstance(line, str) else ("", "", "")
    name, value = name.strip(), value.strip()
    if not (colon and _NAME.fullmatch(name) and _VALUE.fullmatch(value)) or name.lower() in _OURS:
        raise Problem(
            "value", "a header must be a name, a colon and a value, and not one that the connection needs", at="Subscription.channel.header"
        )
    return name, value


class Vault:
    """Keeps secrets in the database, sealed. ``Vault.at(folder / "delivery.key")`` makes its key at the first start."""

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(key)

    @classmethod
    def at(cls, path: Path) -> Vault:
        """The vault whose key is in this file, readable by its owner alone; made when it is not there."""
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return cls(path.read_bytes())
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key())
            file.flush()
            os.fsync(file.fileno())
        return cls(path.read_bytes())

    async def keep(self, tx: Tx, secrets: Sequence[Secret], *, endpoint: str, at: datetime) -> None:
        """Put secrets in; ``endpoint`` is the origin they are for."""
        sealed = [(s.handle, self._fernet.encrypt(s.value.encode()), endpoint, at) for s in secrets]
        await tx.executemany(SQL["keep_secret"], sealed)

    async def bind(self, tx: Tx, handles: Iterable[str], *, subscription: str, endpoint: str) -> bool:
        """Whether this subscription owns all these handles for this origin; handles nobody owns yet become its own."""
        wanted = list(set(handles))
        owned = await tx.fetch(SQL["bind_secrets"], wanted, subscription, endpoint)
        return len(owned) == len(wanted)

    async def open(self, tx: Tx, handles: Iterable[str], *, subscription: str) -> dict[str, str]:
        """Handle to value, of the handles that this subscription owns."""
        try:
            return {
                row["handle"]: self._fernet.decrypt(row["sealed"]).decode()
                for row in await tx.fetch(SQL["open_secrets"], list(set(handles)), subscription)
            }
        except InvalidToken:
            raise Problem("no-store", "secrets of subscribers were sealed with another key than the one in the data folder") from None
