"""Batches: FHS, BHS, messages, BTS, FTS (HL7 v2.5 section 2.10.3), or simply several messages in one file.

Every byte ends up somewhere: in a message, in an envelope segment, or in a stray piece that is handed over as a message of its
own (it will be refused as one). Counts that do not agree are reported and lose nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from penstock.errors import Problem
from penstock.formats.hl7v2 import charset as charsets

_ENVELOPES = {b"FHS": "file", b"BHS": "batch", b"BTS": "batch", b"FTS": "file"}
_HEADS = (b"FHS", b"BHS")


@dataclass
class Batch:
    """The ``messages`` as bytes, the ``envelopes`` (FHS, BHS, BTS, FTS lines), and what does not agree."""

    messages: list[bytes] = field(default_factory=list)
    envelopes: list[bytes] = field(default_factory=list)
    batches: int = 0
    problems: list[Problem] = field(default_factory=list)


def split_batch(data: bytes) -> Batch:
    """The messages of ``data`` one by one; a single message is a batch of one."""
    codec = charsets.wide(data)
    if codec is None:
        return _Splitter().run(data)
    try:
        text = data.decode(codec).lstrip("\ufeff")
    except UnicodeDecodeError:
        return Batch(messages=[data])
    batch = _Splitter().run(text.encode("utf-8"))
    batch.messages = [piece.decode("utf-8").encode(codec) for piece in batch.messages]
    return batch


class _Splitter:
    """Reads line by line what belongs together."""

    def __init__(self) -> None:
        self.batch = Batch()
        self.piece: list[bytes] = []
        self.separator = b"|"
        self.open: list[str] = []
        self.counted = {"batch": 0, "file": 0}
        self.enveloped = False

    def run(self, data: bytes) -> Batch:
        for line in _lines(data):
            self._line(line)
        self._close_piece()
        if self.open:
            self._problem(f"the {self.open[-1]} has no trailer", _TRAILERS[self.open[-1]])
        return self.batch

    def _line(self, line: bytes) -> None:
        name = line[:3]
        if name == b"MSH" and _separator(line):
            self._close_piece()
            self.piece.append(line)
        elif name in _ENVELOPES and self._is_envelope(line):
            self._close_piece()
            self.batch.envelopes.append(line)
            (self._head if name in _HEADS else self._trailer)(_ENVELOPES[name], line)
        else:
            self.piece.append(line)

    def _is_envelope(self, line: bytes) -> bool:
        return bool(_separator(line)) or not line[3:].strip()

    def _head(self, kind: str, line: bytes) -> None:
        self.enveloped = True
        self.separator = line[3:4]
        if kind in self.open or (kind == "file" and self.open):
            self._problem(f"a {kind} begins before the one before it has ended", _NAMES[kind])
            self.open = [each for each in self.open if each == "file" and kind == "batch"]
        self.open.append(kind)
        self.counted[kind] = 0
        if kind == "batch":
            self.batch.batches += 1
            self.counted["file"] += 1

    def _trailer(self, kind: str, line: bytes) -> None:
        at = _TRAILERS[kind]
        if kind not in self.open:
            self._problem(f"a {kind} ends that has not begun", at)
            return
        while self.open[-1] != kind:
            inner = self.open.pop()
            self._problem(f"the {inner} has no trailer", _TRAILERS[inner])
        self.open.pop()
        fields = line.rstrip(b"\r\n").split(self.separator)
        stated = fields[1].strip() if len(fields) > 1 else b""
        if stated and not (stated.isdigit() and int(stated) == self.counted[kind]):
            self._problem(f"the trailer of the {kind} counts otherwise", at + "-1")

    def _close_piece(self) -> None:
        piece, self.piece = b"".join(self.piece), []
        if not piece.strip():
            return
        if not piece.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"MSH"):
            self._problem("a piece belongs to no message", "MSH")
        self.batch.messages.append(piece)
        self.counted["batch"] += 1

    def _problem(self, text: str, at: str) -> None:
        self.batch.problems.append(Problem("structure", text, at=at))


_NAMES = {"file": "FHS", "batch": "BHS"}
_TRAILERS = {"file": "FTS", "batch": "BTS"}
_CR_LINES = re.compile(rb"[^\r]*(?:\r\n?|\Z)")
_LF_LINES = re.compile(rb"[^\n]*(?:\n|\Z)")


def _lines(data: bytes) -> Iterator[bytes]:
    """Lines with their ends, by the same rule as in a message: CR cuts, or LF where there is no CR."""
    pattern = _CR_LINES if b"\r" in data else _LF_LINES
    return (found[0] for found in pattern.finditer(data) if found[0])


def _separator(line: bytes) -> bytes:
    mark = line[3:4]
    return mark if b"!" <= mark <= b"~" and not mark.isalnum() else b""
