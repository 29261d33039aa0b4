"""Batches: one message at a time, nothing lost, counts compared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.formats.hl7v2 import split_batch


def message(number: int, end: str = "\r") -> str:
    return f"MSH|^~\\&|A|B|||||ADT^A01|{number}|P|2.5{end}PID|1||{number}{end}"


def texts(data: str) -> tuple[list[str], list[str]]:
    batch = split_batch(data.encode())
    return [piece.decode() for piece in batch.messages], [str(problem) for problem in batch.problems]


@pytest.mark.req("V2-18")
@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_a_file_of_batches_gives_its_messages(end: str) -> None:
    parts = ["FHS|^~\\&", "BHS|^~\\&", "BTS|2", "BHS|^~\\&", "BTS|1", "FTS|2"]
    head, first, first_end, second, second_end, foot = (part + end for part in parts)
    one, two, three = (message(number, end) for number in (1, 2, 3))
    found, problems = texts(head + first + one + two + first_end + second + three + second_end + foot)
    assert found == [one, two, three]
    assert problems == []


def test_several_messages_need_no_envelope_and_one_message_is_a_batch_of_one() -> None:
    assert texts(message(1) + message(2)) == ([message(1), message(2)], [])
    assert texts(message(1)) == ([message(1)], [])
    assert texts("") == ([], [])


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("BHS|^~\\&\r{}BTS|2\r", "the trailer of the batch counts otherwise (at BTS-1)"),
        ("BHS|^~\\&\r{}BTS|x\r", "the trailer of the batch counts otherwise (at BTS-1)"),
        ("BHS|^~\\&\r{}", "the batch has no trailer (at BTS)"),
        ("FHS|^~\\&\rBHS|^~\\&\r{}BTS|1\r", "the file has no trailer (at FTS)"),
        ("FHS|^~\\&\rBHS|^~\\&\r{}FTS|1\r", "the batch has no trailer (at BTS)"),
        ("FHS|^~\\&\rBHS|^~\\&\r{}BTS|1\rFTS|3\r", "the trailer of the file counts otherwise (at FTS-1)"),
        ("{}BTS|1\r", "a batch ends that has not begun (at BTS)"),
        ("BHS|^~\\&\rBHS|^~\\&\r{}BTS|1\r", "a batch begins before the one before it has ended (at BHS)"),
        ("FHS|^~\\&\rFHS|^~\\&\r{}FTS|0\r", "a file begins before the one before it has ended (at FHS)"),
    ],
)
def test_what_does_not_agree_is_reported_and_loses_nothing(data: str, problem: str) -> None:
    found, problems = texts(data.format(message(1)))
    assert found == [message(1)]
    assert problems == [problem]


def test_a_stray_piece_is_handed_over_as_a_piece_of_its_own() -> None:
    found, problems = texts("BHS|^~\\&\rPID|1||lost\r" + message(1) + "BTS|2\rhello\r")
    assert found == ["PID|1||lost\r", message(1), "hello\r"]
    assert problems == ["a piece belongs to no message (at MSH)"] * 2


def test_a_batch_in_utf_16_is_split_too() -> None:
    batch = split_batch((message(1) + message(2)).encode("utf-16"))
    assert [piece.decode("utf-16-le") for piece in batch.messages] == [message(1), message(2)]


@given(
    st.lists(
        st.sampled_from([b"FHS|^~\\&\r", b"BHS|^~\\&\r", b"BTS|1\r", b"FTS|1\r", b"MSH|^~\\&|A\r", b"PID|1\n\r", b"junk", b"\r", b"\r\n"])
    )
)
def test_every_byte_is_in_a_message_or_an_envelope(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    batch = split_batch(data)
    kept = sum(map(len, batch.messages)) + sum(map(len, batch.envelopes))
    blank = sum(len(line) for line in data.split(b"\r") if not line.strip()) + data.count(b"\r")
    assert len(data) - blank <= kept <= len(data)
