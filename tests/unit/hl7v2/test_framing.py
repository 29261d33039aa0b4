"""MLLP framing: however the bytes are cut, the same frames."""

from __future__ import annotations

import time
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from penstock.formats.hl7v2 import Frame, Frames, Noise, wrap
from penstock.formats.hl7v2.framing import KEPT

LIMIT = 64

#: Bytes among which the framing bytes are common, so that every transition is met.
bytes_near_frames = st.lists(
    st.sampled_from([b"\x0b", b"\x1c", b"\r", b"\n", b"\x1c\r", b"\x0bMSH|a\x1c\r", b"MSH|^~\\&|", b"x" * 40, b"\x00", b"\xff"]),
    max_size=40,
).map(b"".join)


def everything(frames: Frames, chunks: list[bytes]) -> tuple[list[tuple[bytes, str]], int]:
    found = [each for chunk in chunks for each in frames.feed(chunk)] + frames.finish()
    messages = [(each.data, each.problem.text if each.problem else "") for each in found if isinstance(each, Frame)]
    return messages, sum(each.count for each in found if isinstance(each, Noise))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


@given(bytes_near_frames, st.lists(st.integers(min_value=0), max_size=20))
def test_any_chunking_gives_the_same_frames(data: bytes, places: list[int]) -> None:
    whole = everything(Frames(LIMIT), [data])
    assert everything(Frames(LIMIT), cut(data, places)) == whole
    assert everything(Frames(LIMIT), [data[at : at + 1] for at in range(len(data))]) == whole


@given(st.lists(st.binary().map(lambda data: data.replace(b"\x0b", b"").replace(b"\x1c", b"")[:LIMIT]), max_size=8))
def test_what_is_wrapped_comes_out_of_its_frame(messages: list[bytes]) -> None:
    found, noise = everything(Frames(LIMIT), [b"".join(map(wrap, messages))])
    assert found == [(message, "") for message in messages]
    assert noise == 0


def test_bytes_outside_of_frames_are_counted_but_not_line_ends() -> None:
    frames = Frames(LIMIT)
    assert frames.feed(b"GET / \r\n" + wrap(b"one") + b"\r\n" + wrap(b"two") + b"zz") == [
        Noise(6),
        Frame(b"one"),
        Frame(b"two"),
        Noise(2),
    ]


def test_a_start_block_in_a_frame_rejects_the_first_and_keeps_the_second() -> None:
    first, second = Frames(LIMIT).feed(b"\x0bMSH|first" + wrap(b"MSH|second"))
    assert isinstance(first, Frame) and first.data == b"MSH|first"
    assert first.problem is not None and first.problem.code == "structure"
    assert second == Frame(b"MSH|second")


def test_an_end_block_inside_a_frame_does_not_cut_it_but_is_its_flaw() -> None:
    (frame,) = Frames(LIMIT).feed(wrap(b"MSH|a\x1cb"))
    assert isinstance(frame, Frame)
    assert frame.data == b"MSH|a\x1cb"
    assert frame.problem is not None and frame.problem.code == "structure"


def test_an_end_block_without_carriage_return_ends_a_frame_when_the_next_begins_or_nothing_more_comes() -> None:
    frames = Frames(LIMIT)
    assert frames.feed(b"\x0bone\x1c\x0btwo\x1c") == [Frame(b"one")]
    assert frames.ended
    assert frames.finish() == [Frame(b"two")]
    assert not frames.open


def test_a_frame_that_was_cut_is_no_message() -> None:
    frames = Frames(LIMIT)
    assert frames.feed(b"\x0bMSH|half") == []
    assert frames.open
    assert frames.finish() == [Noise(9)]


def test_a_frame_of_exactly_the_limit_is_accepted_and_one_byte_more_is_not() -> None:
    assert Frames(8).feed(wrap(b"12345678")) == [Frame(b"12345678")]
    (frame,) = Frames(8).feed(wrap(b"123456789"))
    assert isinstance(frame, Frame)
    assert frame.problem is not None and frame.problem.code == "too-long"


def test_an_endless_frame_is_reported_once_and_takes_no_memory() -> None:
    frames = Frames(100_000)
    found = frames.feed(b"\x0b")
    for _ in range(100):
        found += frames.feed(b"x" * 10_000)
        assert len(frames._buffer) <= 110_000
    (frame,) = found
    assert isinstance(frame, Frame)
    assert frame.problem is not None and frame.problem.code == "too-long"
    assert frame.data == b"x" * KEPT
    assert frames.feed(b"\x1c\r" + wrap(b"next")) == [Frame(b"next")]


def test_a_frame_of_many_small_reads_takes_linear_time() -> None:
    def seconds(reads: int) -> float:
        frames, started = Frames(10**7), time.process_time()
        frames.feed(b"\x0b")
        for _ in range(reads):
            frames.feed(b"x" * 64)
        return time.process_time() - started

    seconds(1000)
    assert seconds(32_000) < 25 * max(seconds(3_200), 0.001)  # quadratic: more than 60
