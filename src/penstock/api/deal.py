"""Connections are dealt to the process that has the fewest. The kernel would deal them by chance: three of four clients to one process.

One process listens. It hands an accepted connection on, before a byte of it is read, through the channel (a Unix socket) that it has to
each other process. Those say on the same channel when they begin, and when a connection has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

_BEGINS, _ENDED, _DEALT = b"+", b"-", b"."
#: Connections taken at once.
_MANY = 64


class Dealer:
    """The side that listens: how many open connections each channel's process has."""

    def __init__(self) -> None:
        self._open: dict[socket.socket, int] = {}

    def add(self, channel: socket.socket) -> None:
        """Deal to the process at the other end from when it says that it begins, until the channel ends."""
        channel.setblocking(False)
        asyncio.get_running_loop().add_reader(channel, self._hear, channel)

    def remove(self, channel: socket.socket) -> None:
        """Deal nothing more to it."""
        asyncio.get_running_loop().remove_reader(channel)
        self._open.pop(channel, None)

    def _hear(self, channel: socket.socket) -> None:
        try:
            said = channel.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if said:
            self._open[channel] = self._open.get(channel, 0) - said.count(_ENDED)
        else:
            self.remove(channel)

    def deal(self, connection: int, here: int) -> bool:
        """Whether a connection (a file descriptor) now is another process's, which had no more than the ``here`` of this one."""
        if not self._open:
            return False
        channel, there = min(self._open.items(), key=lambda each: each[1])
        if there > here:
            return False
        try:
            socket.send_fds(channel, [_DEALT], [connection])
        except OSError:  # it has ended, or is too busy to take anything
            return False
        self._open[channel] += 1
        return True


class Hand:
    """The side that is dealt to."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel

    def begin(self, take: Callable[[socket.socket], None], end: Callable[[], None]) -> None:
        """Have ``take`` called with each connection, and ``end`` when the one who deals has gone."""
        self._channel.setblocking(False)
        asyncio.get_running_loop().add_reader(self._channel, self._hear, take, end)
        self._say(_BEGINS)

    def stop(self) -> None:
        """Be dealt nothing more."""
        asyncio.get_running_loop().remove_reader(self._channel)
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)

    def ended(self) -> None:
        """Tell that a connection is no more."""
        self._say(_ENDED)

    def _hear(self, take: Callable[[socket.socket], None], end: Callable[[], None]) -> None:
        try:
            said, connections, *_ = socket.recv_fds(self._channel, _MANY, _MANY)
        except BlockingIOError:
            return
        except OSError:
            said, connections = b"", []
        for each in connections:
            take(socket.socket(fileno=each))
        if not said:
            asyncio.get_running_loop().remove_reader(self._channel)
            end()

    def _say(self, word: bytes) -> None:
        with contextlib.suppress(OSError):  # whoever deals has gone: the channel's end is heard
            self._channel.send(word)
