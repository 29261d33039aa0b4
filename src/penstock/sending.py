"""A small MLLP sender, for the command line and the demonstration: one message, one acknowledgement, in turn."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from penstock.errors import Problem
from penstock.formats.hl7v2 import split_batch, wrap

TIMEOUT_S = 30.0


class Answer(NamedTuple):
    """What came back for one message: MSA-1, MSA-2 and the user text of ERR, if any."""

    code: str
    control_id: str
    text: str


def send_files(files: Iterable[Path], target: str) -> Iterator[Answer]:
    """Send each message of each file (``-`` is standard input) to ``mllp://host:port`` over one connection."""
    messages = (
        message for file in files for message in split_batch(sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()).messages
    )
    yield from send(messages, target)


def send(messages: Iterable[bytes], target: str) -> Iterator[Answer]:
    """Send messages one after the other over one connection; ``transient`` when the listener cannot be reached or goes away."""
    parts = urlsplit(target)
    if parts.scheme != "mllp" or not parts.hostname or not parts.port:
        raise Problem("invalid", "a target looks like mllp://127.0.0.1:2575")
    try:
        with socket.create_connection((parts.hostname, parts.port), timeout=TIMEOUT_S) as connection:
            for message in messages:
                connection.sendall(wrap(message.replace(b"\r\n", b"\r").replace(b"\n", b"\r")))
                yield _answer(_frame(connection))
    except OSError as error:
        raise Problem("transient", "the MLLP listener does not answer") from error


def _frame(connection: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\x1c\r"):
        more = connection.recv(65536)
        if not more:
            raise Problem("transient", "the MLLP listener closed the connection without an answer")
        data += more
    return data[1:-2]


def _answer(frame: bytes) -> Answer:
    segments = {line[:3]: line.split("|") for line in frame.decode("utf-8", "replace").split("\r") if line}
    msa = [*segments.get("MSA", ["MSA"]), "", ""]
    error = segments.get("ERR", []) + [""] * 9
    return Answer(msa[1], msa[2], error[8])
