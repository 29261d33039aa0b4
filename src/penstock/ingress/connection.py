"""One MLLP connection: bytes to frames, frames to the intake, answers back in the order of the messages.

Messages of one connection are taken at the same time (they share a commit) but answered in their order, one answer each. A sender
that is faster than we are, or that does not read its answers, is not read from either: the window of TCP does the rest.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, cast

from penstock.errors import Problem
from penstock.formats.hl7v2 import Frame, Frames, Noise, wrap
from penstock.formats.hl7v2.charset import wide
from penstock.ingress.arrival import Sender
from penstock.ingress.batch import answers, is_batch, take_batch
from penstock.ingress.intake import Intake

#: So many messages of one connection are under way before it is not read for a while.
AT_ONCE = 256

#: Seconds after an end block without its carriage return until the frame counts as complete.
QUIET_S = 0.5

#: The unfinished frames of all connections together may hold so many times the largest frame.
FRAMES_AT_ONCE = 16

#: So many bytes outside of frames are no accident: the peer does not speak MLLP.
MOST_NOISE = 64 * 1024


class Limits(NamedTuple):
    """What one listener and each of its connections may do; see the ``mllp_…`` settings."""

    max_bytes: int = 16 * 2**20
    max_connections: int = 1000
    idle_s: float = 3600.0
    frame_s: float = 60.0
    rate: float = 0.0


@dataclass(slots=True)
class Open:
    """What the connections of one listener share: the intake, the limits, each other, and messages still under way."""

    intake: Intake
    limits: Limits
    connections: set[Connection] = field(default_factory=set)
    tasks: set[asyncio.Task[bytes | None]] = field(default_factory=set)
    unfinished: int = 0  # bytes of frames that have begun and not ended


class Connection(asyncio.Protocol):
    """What asyncio calls for one peer."""

    def __init__(self, shared: Open) -> None:
        self._shared = shared
        self._meters = shared.intake.meters
        self._limits = shared.limits
        self._loop = asyncio.get_running_loop()
        self._frames = Frames(shared.limits.max_bytes)
        self._answers: deque[asyncio.Task[bytes | None]] = deque()
        self._transport: asyncio.Transport | None = None
        self._peer = ""
        self._heard = self._loop.time()
        self._began: float | None = None  # when the frame that is open began
        self._blocked: float | None = None  # since when the peer does not read
        self._reading = True
        self._stopping = False
        self._noise = 0
        self._unfinished = 0  # this connection's part of what all share
        self._under_way = 0  # bytes of messages that are not answered yet
        self._free_at = 0.0  # when the messages so far are within the rate
        self._quiet: asyncio.TimerHandle | None = None
        self._resume: asyncio.TimerHandle | None = None
        self.closed: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._shared.connections.add(self)
        self._meters.connections.inc()
        if len(self._shared.connections) > self._limits.max_connections:
            self.end("too-many")
            return
        peer = transport.get_extra_info("peername")
        self._peer = str(peer[0]) if isinstance(peer, tuple) else "local"
        _keep_alive(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        if self._transport is None or self._stopping:
            return
        self._heard = self._loop.time()
        if self._quiet is not None:
            self._quiet.cancel()
            self._quiet = None
        self._handle(self._frames.feed(data))
        self._weigh()
        if self._frames.ended:
            self._quiet = self._loop.call_later(QUIET_S, self._complete)

    def eof_received(self) -> bool:
        """The peer sends no more: finish what it sent, answer it, close."""
        self._complete()
        self.stop()
        encrypted = self._transport is not None and self._transport.get_extra_info("sslcontext") is not None
        return not encrypted and bool(self._answers)

    def connection_lost(self, error: Exception | None) -> None:
        """What was received whole is still recorded; only there is nobody left to tell."""
        self._complete()
        self._weigh()
        self._transport = None
        self._shared.connections.discard(self)
        self._meters.connections.dec()
        self.closed.set_result(None)

    def pause_writing(self) -> None:
        self._blocked = self._loop.time()
        self._regulate()

    def resume_writing(self) -> None:
        self._blocked = None
        self._regulate()

    def overdue(self, now: float) -> str | None:
        """Why this connection must go (a reason of ``metrics.REASONS``), or None."""
        if self._blocked is not None:
            return "slow-reader" if now - self._blocked > self._limits.frame_s else None
        if self._began is not None and self._reading:
            return "slow-frame" if now - self._began > self._limits.frame_s else None
        return "idle" if not self._answers and now - self._heard > self._limits.idle_s else None

    def end(self, reason: str) -> None:
        """Cut the connection now."""
        self._meters.closed[reason].inc()
        if self._transport is not None:
            self._transport.abort()

    def stop(self) -> None:
        """Read no more, answer what was received, then close."""
        self._stopping = True
        self._regulate()
        self._drain()

    def _complete(self) -> None:
        """Nothing more will come (for this frame): take it if it has its end block."""
        if self._quiet is not None:
            self._quiet.cancel()
            self._quiet = None
        self._handle(self._frames.finish())

    def _weigh(self) -> None:
        """Bound what unfinished frames hold in memory: whoever makes it too much is cut."""
        self._shared.unfinished += len(self._frames) - self._unfinished
        self._unfinished = len(self._frames)
        if self._shared.unfinished > FRAMES_AT_ONCE * self._limits.max_bytes:
            self.end("too-much")

    def _handle(self, found: list[Frame | Noise]) -> None:
        """Take the frames, count the noise, and note when the frame began that is still open."""
        for each in found:
            if isinstance(each, Frame):
                self._take(each)
            else:
                self._meters.noise.inc(each.count)
                self._noise += each.count
        if self._noise > MOST_NOISE:
            self.end("not-framed")
        pending = self._frames.open or self._noise > 0
        self._began = (self._heard if found or self._began is None else self._began) if pending else None
        self._regulate()

    def _take(self, frame: Frame) -> None:
        self._noise = 0
        task = self._loop.create_task(_answer(self._shared.intake, frame, self._peer))
        self._shared.tasks.add(task)
        self._answers.append(task)
        self._under_way += len(frame.data)
        task.add_done_callback(partial(self._answered, len(frame.data)))
        if self._limits.rate:
            self._free_at = max(self._free_at, self._heard) + 1 / self._limits.rate

    def _answered(self, size: int, task: asyncio.Task[bytes | None]) -> None:
        self._under_way -= size
        self._shared.tasks.discard(task)
        self._drain()
        self._regulate()

    def _drain(self) -> None:
        """Write the answers that are ready and whose turn it is."""
        while self._answers and self._answers[0].done():
            task = self._answers.popleft()
            answer = None if task.cancelled() else task.result()
            if answer is not None and self._transport is not None:
                self._transport.write(wrap(answer))
        if self._stopping and not self._answers and self._transport is not None:
            self._transport.close()

    def _regulate(self) -> None:
        """Read, or do not read: the one place that decides."""
        if self._transport is None or self._transport.is_closing():
            return
        busy = len(self._answers) >= AT_ONCE or self._under_way >= self._limits.max_bytes
        reading = not (busy or self._stopping or self._blocked is not None or self._too_fast())
        if reading == self._reading:
            return
        self._reading = reading
        if reading:
            self._heard = self._loop.time()
            self._began = self._heard if self._began is not None else None
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _too_fast(self) -> bool:
        """Whether the rate is used up; a second's worth of messages may come at once."""
        if not self._limits.rate:
            return False
        if self._resume is not None:
            self._resume.cancel()
        until = self._free_at - 1
        self._resume = self._loop.call_at(until, self._regulate) if until > self._loop.time() else None
        return self._resume is not None


async def _answer(intake: Intake, frame: Frame, peer: str) -> bytes | None:
    """The answer to one frame; to one that holds a batch, the answers of its messages."""
    flaw = frame.problem or _unframeable(frame.data)
    if flaw is None and is_batch(frame.data):
        return answers(*await take_batch(intake, frame.data, sender=Sender(peer)))
    return (await intake.take(frame.data, sender=Sender(peer), flaw=flaw)).ack


def _unframeable(data: bytes) -> Problem | None:
    """UTF-16 and UTF-32 have letters whose bytes are an end block, so that what came may be half of a message."""
    if wide(data) is None:
        return None
    return Problem("not-supported", "UTF-16 and UTF-32 cannot be framed by MLLP", at="MSH-18")


def _keep_alive(connection: socket.socket | None) -> None:
    """Let the kernel find out about peers that vanished without a word."""
    if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 60_000)
