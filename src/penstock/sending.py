"""A small MLLP sender, for the command line and the demonstration: one message, one acknowledgement, in turn."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from penstock.errors import Problem
from penstock.formats.hl7v2 import Frame, Frames, answer_code, header, split_batch, wrap

TIMEOUT_S = 30.0


class Answer(NamedTuple):
    """What came back for one message: MSA-1 (``none`` where the message asks for no answer), MSA-2 and the user text of ERR, if any."""

    code: str
    control_id: str
    text: str

    @property
    def refused(self) -> bool:
        """Whether the receiver did not take the message; the absence of an answer that was not asked for is no refusal."""
        return self.code not in ("AA", "CA", "none")


def messages_in(bodies: Iterable[bytes]) -> Iterator[bytes]:
    """The messages of files, each of which holds one or a batch."""
    return (message for body in bodies for message in split_batch(body).messages)


def send(messages: Iterable[bytes], target: str) -> Iterator[Answer]:
    """Send messages one after the other over one connection; ``transient`` when the listener cannot be reached or goes away."""
    address = _address(target)
    try:
        with socket.create_connection(address, timeout=TIMEOUT_S) as connection:
            frames = _frames(connection)
            for message in messages:
                connection.sendall(wrap(message.replace(b"\r\n", b"\r").replace(b"\n", b"\r")))
                yield _answer_to(message, frames)
    except OSError as error:
        raise Problem("transient", "the MLLP listener does not answer") from error


def _address(target: str) -> tuple[str, int]:
    try:
        parts = urlsplit(target)
        if parts.scheme == "mllp" and parts.hostname and parts.port:
            return parts.hostname, parts.port
    except ValueError:
        pass  # a port that is none
    raise Problem("invalid", "a target looks like mllp://127.0.0.1:2575")


def _answer_to(message: bytes, frames: Iterator[bytes]) -> Answer:
    """The answer to ``message``, past those to earlier messages that asked for one in case of errors only, as this one may."""
    try:
        found = header(message)
    except Problem:
        return _answer(next(frames))
    if not all(answer_code(found.accept_ack, found.application_ack, outcome) for outcome in ("accepted", "error", "rejected")):
        return Answer("none", found.control_id, "")
    while True:
        answer = _answer(next(frames))
        if answer.control_id in ("", found.control_id):
            return answer


def _frames(connection: socket.socket) -> Iterator[bytes]:
    """What comes in the frames of ``connection``; ``transient`` when it ends."""
    frames = Frames(2**20)
    while True:
        data = connection.recv(65536)
        if not data:
            raise Problem("transient", "the MLLP listener closed the connection without an answer")
        yield from (event.data for event in frames.feed(data) if isinstance(event, Frame))


def _answer(frame: bytes) -> Answer:
    segments = {line[:3]: line.split("|") for line in frame.decode("utf-8", "replace").split("\r") if line}
    msa = [*segments.get("MSA", ["MSA"]), "", ""]
    error = segments.get("ERR", []) + [""] * 9
    return Answer(msa[1], msa[2], error[8])
