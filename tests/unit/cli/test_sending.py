"""The small MLLP sender: one message, one acknowledgement, in turn."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from penstock.errors import Problem
from penstock.formats.hl7v2 import Frame, Frames, wrap
from penstock.sending import Answer, messages_in, send


def _message(control_id: str, ack: str = "|") -> bytes:
    return f"MSH|^~\\&|A|B|C|D|2026||ADT^A01|{control_id}|P|2.5|||{ack}\rPID|1\r".encode()


def _ack(control_id: str, code: str = "AA", error: str = "") -> bytes:
    lines = [b"MSH|^~\\&|C|D|A|B|2026||ACK|1|P|2.5", f"MSA|{code}|{control_id}".encode()]
    return wrap(b"\r".join([*lines, f"ERR||PID-3|101|E||||{error}".encode()] if error else lines) + b"\r")


@contextmanager
def _listener(answer: Callable[[bytes], bytes | None]) -> Iterator[str]:
    """A listener that answers each frame; None hangs up."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = server.accept()
        frames = Frames(2**20)
        with connection:
            while data := connection.recv(65536):
                for frame in frames.feed(data):
                    reply = answer(frame.data) if isinstance(frame, Frame) else b""
                    if reply is None:
                        return
                    connection.sendall(reply)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"mllp://127.0.0.1:{server.getsockname()[1]}"
    finally:
        thread.join(timeout=5)
        server.close()


def _control_id(frame: bytes) -> str:
    return frame.split(b"|")[9].decode()


def test_answers_come_in_the_order_of_the_messages() -> None:
    with _listener(lambda frame: _ack(_control_id(frame))) as target:
        assert [answer.control_id for answer in send(map(_message, ("1", "2", "3")), target)] == ["1", "2", "3"]


def test_a_refusal_has_its_code_and_its_words() -> None:
    with _listener(lambda frame: _ack(_control_id(frame), "AE", "the message has no patient")) as target:
        (answer,) = send([_message("1")], target)
    assert answer == Answer("AE", "1", "the message has no patient")
    assert answer.refused
    assert not Answer("AA", "1", "").refused
    assert not Answer("none", "1", "").refused


def test_an_answer_in_two_reads_and_one_after_noise_are_read() -> None:
    with _listener(lambda frame: b"\r\n" + _ack(_control_id(frame))) as target:
        assert [answer.code for answer in send([_message("1"), _message("2")], target)] == ["AA", "AA"]


def test_a_message_that_asks_for_no_answer_is_not_waited_for() -> None:
    with _listener(lambda frame: b"" if _control_id(frame) == "quiet" else _ack(_control_id(frame))) as target:
        answers = list(send([_message("quiet", "NE|NE"), _message("loud")], target))
    assert [(answer.code, answer.control_id) for answer in answers] == [("none", "quiet"), ("AA", "loud")]


def test_a_message_that_asks_for_an_answer_in_case_of_errors_only_is_not_waited_for_and_its_late_answer_is_passed_over() -> None:
    with _listener(lambda frame: _ack(_control_id(frame), "AE" if _control_id(frame) == "maybe" else "AA")) as target:
        answers = list(send([_message("maybe", "NE|ER"), _message("sure")], target))
    assert [(answer.code, answer.control_id) for answer in answers] == [("none", "maybe"), ("AA", "sure")]


def test_line_feeds_of_a_file_become_the_segment_ends_of_the_wire() -> None:
    seen: list[bytes] = []

    def answer(frame: bytes) -> bytes:
        seen.append(frame)
        return _ack("1")

    with _listener(answer) as target:
        list(send([_message("1").replace(b"\r", b"\r\n"), _message("1").replace(b"\r", b"\n")], target))
    assert seen == [_message("1"), _message("1")]


def test_a_batch_is_its_messages_one_by_one() -> None:
    batch = b"FHS|^~\\&\rBHS|^~\\&\r" + _message("1") + _message("2") + b"BTS|2\rFTS|1\r"
    assert list(messages_in([batch, _message("3")])) == [_message("1"), _message("2"), _message("3")]


def test_a_listener_that_hangs_up_without_an_answer_is_told() -> None:
    with _listener(lambda frame: None) as target, pytest.raises(Problem) as caught:
        list(send([_message("1")], target))
    assert (caught.value.code, "without an answer" in caught.value.text) == ("transient", True)


def test_a_listener_that_is_not_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(Problem) as caught:
        list(send([_message("1")], f"mllp://127.0.0.1:{port}"))
    assert caught.value.code == "transient"


@pytest.mark.parametrize("target", ["127.0.0.1:2575", "http://127.0.0.1:1", "mllp://127.0.0.1", "mllp://h:nonsense", "mllp://h:99999", ""])
def test_a_target_that_is_none_is_told(target: str) -> None:
    with pytest.raises(Problem) as caught:
        list(send([_message("1")], target))
    assert caught.value.code == "invalid"
