"""An answer leaves in one piece: uvicorn writes its head and its body apart, and each write is a packet that wakes the client."""

from __future__ import annotations

import asyncio
from typing import Any

#: Bytes that are held at most: a long answer is under the transport's own control of the flow.
_MOST = 65_536


class Corked:
    """A transport that holds what is written until the event loop turns; the rest of it is the transport's own."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._held:
            self._loop.call_soon(self._send)
        self._held.append(data)
        self._size += len(data)
        if self._size > _MOST:
            self._send()

    def close(self) -> None:
        self._send()
        self._transport.close()

    def _send(self) -> None:
        held, self._held, self._size = self._held, [], 0
        if held:
            self._transport.writelines(held)
