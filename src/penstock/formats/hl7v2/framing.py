"""MLLP framing without a socket: ``0x0B`` message ``0x1C 0x0D`` (HL7 MLLP Release 1 and 2).

Strategy: feed it what the socket gave; it returns what is complete. However the bytes were cut, the same bytes give the same
frames, in linear time and within the limit. What is in doubt is never joined and never silently cut:

* bytes outside a frame are counted as :class:`Noise` (line ends between frames are not even that);
* a start block inside a frame ends it: the first is handed over as flawed, the second is read;
* an end block without its carriage return ends a frame when a start block follows, or at :meth:`Frames.finish`;
  with other bytes after it, it is a flaw of the frame;
* a frame longer than the limit is reported as soon as it is, with its beginning; the rest of it is dropped as it comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from penstock.errors import Problem

START = b"\x0b"
END = b"\x1c"
CR = b"\r"

#: How much of an oversized frame is kept, so that it can be answered.
KEPT = 4096


class Frame(NamedTuple):
    """The content of one frame; with a ``problem``, what there was of it."""

    data: bytes
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Noise:
    """``count`` bytes stood where no frame was."""

    count: int


def wrap(data: bytes) -> bytes:
    """``data`` as one frame."""
    return START + data + END + CR


class Frames:
    """What has been read of a connection and is not complete yet. ``limit`` is the largest content of a frame in bytes."""

    __slots__ = ("_buffer", "_flaw", "_inside", "_limit", "_scanned", "_skipping")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._scanned = 0
        self._inside = False
        self._skipping = False
        self._flaw: Problem | None = None

    def __len__(self) -> int:
        """How many bytes are kept that are not complete yet."""
        return len(self._buffer)

    @property
    def open(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._inside or self._skipping

    @property
    def ended(self) -> bool:
        """Whether only the carriage return after the end block is missing."""
        return self._inside and self._buffer.endswith(END)

    def feed(self, data: bytes) -> list[Frame | Noise]:
        """The frames (and noise) that are complete with ``data``."""
        if not self._buffer and not self.open and _single(data) and len(data) - 3 <= self._limit:
            return [Frame(data[1:-2])]
        self._buffer += data
        found: list[Frame | Noise] = []
        while self._step(found):
            pass
        return found

    def finish(self) -> list[Frame | Noise]:
        """What is left when nothing more will come: a frame that has its end block, or bytes that belong to none."""
        found: list[Frame | Noise] = []
        if self.ended:
            self._emit(found, len(self._buffer) - 1, len(self._buffer))
        elif self.open or self._buffer:
            found.append(Noise(len(self._buffer) + self._inside))
        self._begin(len(self._buffer), inside=False)
        return found

    def _step(self, found: list[Frame | Noise]) -> bool:
        """Take one thing out of the buffer; False when what is there is not enough."""
        if self._inside:
            return self._read(found)
        return self._skip() if self._skipping else self._seek(found)

    def _seek(self, found: list[Frame | Noise]) -> bool:
        """Between frames: to the next start block."""
        start = self._buffer.find(START)
        stop = len(self._buffer) if start < 0 else start
        noise = stop - self._buffer.count(CR, 0, stop) - self._buffer.count(b"\n", 0, stop)
        if noise:
            found.append(Noise(noise))
        self._begin(stop + (start >= 0), inside=start >= 0)
        return start >= 0

    def _skip(self) -> bool:
        """In the rest of an oversized frame: to its end, or to the next start block."""
        start, end = self._buffer.find(START), self._buffer.find(END + CR)
        if start >= 0 and not 0 <= end < start:
            self._begin(start + 1, inside=True)
            return True
        if end >= 0:
            self._begin(end + 2, inside=False)
            return True
        del self._buffer[: len(self._buffer) - self._buffer.endswith(END)]
        return False

    def _read(self, found: list[Frame | Noise]) -> bool:
        """In a frame: to its end block, a start block or the limit, whichever comes first."""
        buffer = self._buffer
        end = buffer.find(END, self._scanned)
        stop = len(buffer) if end < 0 else end
        start = buffer.find(START, self._scanned, stop)
        if start >= 0:
            self._flaw = Problem("structure", "the frame has no end block")
            return self._emit(found, start, start, skipping=False)
        if stop > self._limit:
            return self._overflow(found)
        self._scanned = stop
        if end < 0 or end + 1 == len(buffer):
            return False
        after = buffer[end + 1 : end + 2]
        if after == CR:
            return self._emit(found, end, end + 2)
        if after == START:
            return self._emit(found, end, end + 1)
        self._flaw = Problem("structure", "the frame has an end block inside")
        self._scanned = end + 1
        return True

    def _emit(self, found: list[Frame | Noise], stop: int, used: int, *, skipping: bool = False) -> bool:
        """Hand over the frame that ends before ``stop``; ``used`` bytes of the buffer are done with."""
        if stop > self._limit:
            self._flaw = _too_long()
        kept = min(self._limit, KEPT) if stop > self._limit else stop
        found.append(Frame(bytes(self._buffer[:kept]), self._flaw))
        self._begin(used, inside=False, skipping=skipping)
        return True

    def _overflow(self, found: list[Frame | Noise]) -> bool:
        """Hand over the beginning of a frame that is too long, and drop the rest."""
        return self._emit(found, self._limit + 1, 0, skipping=True)

    def _begin(self, used: int, *, inside: bool, skipping: bool = False) -> None:
        del self._buffer[:used]
        self._scanned = 0
        self._flaw = None
        self._inside = inside
        self._skipping = skipping


def _too_long() -> Problem:
    return Problem("too-long", "the frame is longer than this interface accepts")


def _single(data: bytes) -> bool:
    """Whether ``data`` is exactly one frame without a flaw: what nearly every read is."""
    return data[:1] == START and data[-2:] == b"\x1c\r" and data.find(END) == len(data) - 2 and data.find(START, 1) < 0
