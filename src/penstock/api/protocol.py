"""HTTP/1.1 as uvicorn speaks it, with two things of ours: an answer is one packet, and a connection may be another process's."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from penstock.api.corked import Corked
from penstock.api.deal import Dealer, Hand


class Http(HttpToolsProtocol):
    """One connection. ``dealer`` may hand it on when it is made, ``hand`` is told when it ends."""

    def __init__(self, *arguments: Any, dealer: Dealer | None = None, hand: Hand | None = None, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._dealer = dealer
        self._hand = hand
        self._ours = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn's own narrowing
        if self._dealer is not None and self._dealer.deal(transport.get_extra_info("socket").fileno(), len(self.connections)):
            self._ours = False
            transport.abort()  # only our hold on it: the other process has its own
            return
        super().connection_made(cast(asyncio.Transport, Corked(transport, self.loop)))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ours:
            return
        super().connection_lost(exc)
        if self._hand is not None:
            self._hand.ended()
