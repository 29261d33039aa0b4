"""HL7 v2 out of the ordinary: messages bent at random, and what must hold for whatever arrives. Seeded: a number is an input.

Two depths. *Light*: framing, header, parse, arrival, acknowledgement. *Deep*: conversion as well, with the remainder and the resources.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from penstock.convert import Context, Converted, convert, plan
from penstock.convert.mend import mended, without
from penstock.errors import Problem
from penstock.formats.fhir.validate import require_sound
from penstock.formats.hl7v2 import Message, acknowledge, parse
from penstock.formats.hl7v2.framing import Frame, Frames, wrap
from penstock.ingress import Interface
from penstock.ingress.arrival import Sender, arrive
from penstock.samples import sample_messages

GOLDEN = Path(__file__).parents[1] / "unit" / "convert" / "messages"
NOW = datetime(2025, 4, 14, tzinfo=UTC)
LIMIT = 2**20
#: Seconds that one message of a few kilobytes may take, whatever is in it; the machine may be busy.
SLOW = 3.0
MARKS = (
    b"|",
    b"^",
    b"~",
    b"\\",
    b"&",
    b"\r",
    b"\n",
    b"\x0b",
    b"\x1c",
    b"\x00",
    b"\x1b",
    b'""',
    b"\\.br\\",
    b"\\X0D\\",
    b"\\E\\",
    b"\xff\xfe",
    "é漢".encode(),
)
SEGMENTS = b"MSH EVN PID PD1 NK1 PV1 PV2 OBR OBX ORC NTE SPM RXE RXR RXA IN1 GT1 DG1 AL1 FT1 SCH AIP TXA MRG ZZZ".split()


@cache
def seeds() -> list[bytes]:
    """Whole messages to begin with: ours, of every family."""
    own = [path.read_bytes().replace(b"\r\n", b"\r").replace(b"\n", b"\r") for path in sorted(GOLDEN.glob("*.hl7"))]
    return [*own, *(raw for _, raw in sample_messages())]


def _cut(chance: random.Random, data: bytes) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _flip(chance: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(chance.randrange(1, 6)):
        out[chance.randrange(len(out))] = chance.randrange(256)
    return bytes(out)


def _insert(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice(MARKS) * chance.choice((1, 1, 1, 2, 40)) + data[at:]


def _remove(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + data[at + chance.randrange(1, 30) :]


def _double(chance: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\r")
    at = chance.randrange(len(lines))
    return b"\r".join(lines[:at] + [lines[at]] * chance.choice((2, 3, 30)) + lines[at + 1 :])


def _swap(chance: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\r")
    head, rest = lines[:1], lines[1:]
    chance.shuffle(rest)
    return b"\r".join(head + rest)


def _rename(chance: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\r")
    at = chance.randrange(len(lines))
    lines[at] = chance.choice(SEGMENTS) + lines[at][3:]
    return b"\r".join(lines)


def _field(chance: random.Random, data: bytes) -> bytes:
    """Another text in one field: of another field, a repetition of itself, or nonsense."""
    lines = data.split(b"\r")
    at = chance.randrange(len(lines))
    fields = lines[at].split(b"|")
    place = chance.randrange(len(fields))
    other = chance.choice(chance.choice(lines).split(b"|"))
    texts = (
        other,
        b"~".join([fields[place]] * chance.choice((2, 7, 60))),
        b"^" * chance.randrange(40),
        b"9" * 400,
        b'""',
        b"-0.0E9",
        b"20251399",
    )
    fields[place] = chance.choice(texts)
    lines[at] = b"|".join(fields)
    return b"\r".join(lines)


def _join(chance: random.Random, data: bytes) -> bytes:
    return data + chance.choice((b"", b"\r", b"\x1c\r")) + chance.choice(seeds())


MUTATIONS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _cut, _flip, _insert, _remove, _double, _swap, _rename, _field, _field, _field, _insert, _join,
)  # fmt: skip


def bent(number: int) -> bytes:
    """Input ``number``: a message that one to five mutations have bent, at most a few hundred kilobytes of it."""
    chance = random.Random(number)
    data = chance.choice(seeds())
    for _ in range(chance.choice((1, 1, 2, 3, 5))):
        if data:
            data = chance.choice(MUTATIONS)(chance, data)[:200_000]
    return data


@dataclass
class Found:
    """What a run saw. ``wrong`` are inputs that broke a promise, by number, with what broke."""

    frames: int = 0
    converted: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    slowest_number: int = -1
    wrong: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: Found) -> None:
        self.frames += other.frames
        self.converted += other.converted
        self.outcomes += other.outcomes
        self.wrong += other.wrong
        if other.slowest > self.slowest:
            self.slowest, self.slowest_number = other.slowest, other.slowest_number


def look(numbers: range, *, deep: bool) -> Found:
    """Everything that must hold for each of these inputs."""
    found = Found()
    for number in numbers:
        data, started = bent(number), time.perf_counter()
        try:
            for outcome in (through if deep else light)(number, data):
                found.outcomes[outcome] += 1
        except AssertionError as error:
            found.wrong.append((number, f"promise broken: {error}"))
        except Exception as error:
            found.wrong.append((number, f"{type(error).__name__}: {error}"))
        took = time.perf_counter() - started
        if took > found.slowest:
            found.slowest, found.slowest_number = took, number
        found.frames += 1
        found.converted += deep
    return found


def light(number: int, data: bytes) -> Iterator[str]:
    """Framed, cut anywhere, read, accepted and acknowledged; only Problems are raised, and the answer has no segment but its own."""
    chance = random.Random(~number)
    frames = Frames(LIMIT)
    sent = wrap(data) if chance.random() < 0.8 else data
    at = chance.randrange(len(sent) + 1)
    got = [*frames.feed(sent[:at]), *frames.feed(sent[at:]), *frames.finish()]
    for one in got:
        if isinstance(one, Frame):
            yield accepted(one)
        else:
            yield "noise"


def accepted(frame: Frame) -> str:
    interface = Interface(name="fuzz")
    arrived = arrive(frame.data, interface, sender=Sender("peer"), now=NOW, trace_id="0" * 32, flaw=frame.problem)
    problem = arrived.arrival.problem
    assert problem is None or problem.code != "exception", f"a defect: {problem}"
    answer = acknowledge(arrived.header, "AE" if problem else "AA", problem=problem, now=NOW, control_id="1")
    names = [segment.name for segment in parse(answer.decode(arrived.header.codec)).segments]
    assert names == (["MSH", "MSA", "ERR"] if problem else ["MSH", "MSA"]), f"the answer has segments {names}"
    return "quarantined" if problem else "accepted"


def through(number: int, data: bytes) -> Iterator[str]:
    """Parsed and converted: sound resources, the same again, nothing lost."""
    try:
        message = parse(data)
        converted = convert(message, plan(), Context(interface="fuzz"))
    except Problem as problem:
        yield f"refused {problem.code}"
        return
    conserved(message, converted)
    for place_, resource in enumerate(converted.resources):
        try:
            require_sound(resource)
        except Problem:
            try:
                _, removed = mended(resource, require_sound)
            except Problem as problem:
                yield f"refused {problem.code}"
                return
            conserved(message, without(converted, place_, removed))
            yield "mended" if removed else "kept apart"  # by the merge, which tells what it cannot store
    if number % 16 == 0:
        again = convert(parse(data), plan(), Context(interface="fuzz"))
        assert again.resources == converted.resources, "the same message became something else"
        assert again.remainder == converted.remainder, "the same message left something else over"
    yield "converted"


def conserved(message: Message, converted: Converted) -> None:
    """Each valued field is in the lineage or in the remainder, by itself, by a part of it or by its segment (DESIGN invariant 4)."""
    sources = {source for _, _, _, source in converted.lineage} | {source for source, _ in converted.remainder}
    names = Counter(segment.name for segment in message.segments)
    seen: Counter[str] = Counter()
    for segment in message.segments:
        seen[segment.name] += 1
        sid = segment.name if names[segment.name] == 1 else f"{segment.name}[{seen[segment.name]}]"
        if sid in sources or (not segment.name and converted.remainder):
            continue
        heads = {place(source) for source in sources if source.startswith(sid)}
        for number in range(3 if segment.name == "MSH" else 1, len(segment.fields)):
            if segment.fields[number].strip("^~&\\ ") and f"{sid}-{number}" not in heads:
                raise AssertionError(f"{sid}-{number} is neither mapped nor left over")


def place(source: str) -> str:
    """The field of a source path: ``OBX[2]-5`` of ``OBX[2]-5[1].2``."""
    segment, _, rest = source.partition("-")
    digits = rest.partition(".")[0].partition("[")[0]
    return f"{segment}-{digits}"


def run(count: int, *, deep: bool, first: int = 0, until: float = float("inf"), processes: int = 0) -> Found:
    """``count`` inputs from ``first`` on, in several processes, or as many as there is time for."""
    found, step = Found(), 500
    pieces: Sequence[range] = [range(at, min(at + step, first + count)) for at in range(first, first + count, step)]
    workers = processes or os.cpu_count() or 1
    with ProcessPoolExecutor(workers, initializer=plan) as pool:
        for at in range(0, len(pieces), workers * 4):
            if time.monotonic() > until:
                break
            for part in pool.map(_piece, [(piece, deep) for piece in pieces[at : at + workers * 4]]):
                found.add(part)
    return found


def _piece(given: tuple[range, bool]) -> Found:
    return look(given[0], deep=given[1])


def told(found: Found) -> str:
    slowest = f"slowest {found.slowest:.2f} s (#{found.slowest_number})"
    lines = [f"{found.frames:,} inputs, {found.converted:,} of them converted, {dict(found.outcomes)}, {slowest}"]
    kinds: dict[str, tuple[int, int]] = {}
    for number, what in found.wrong:
        first, count = kinds.get(what[:120], (number, 0))
        kinds[what[:120]] = first, count + 1
    return "\n".join(lines + [f"  {count} x {what} (first: #{first})" for what, (first, count) in kinds.items()])


def planted() -> dict[str, bytes]:
    """Messages that are large or deep on purpose."""
    head = b"MSH|^~\\&|LAB|NORTHGATE|||20250414120000+0000||ORU^R01^ORU_R01|1|P|2.5.1\rPID|1||1^^^NORTHGATE^MR"
    result = b"\rOBX|1|NM|2951-2^Sodium^LN||139|mmol/L^^UCUM|136-145|N|||F"
    order = b"\rOBR|1||F1^LAB|24323-8^Panel^LN"
    many = b"".join(result.replace(b"OBX|1|", b"OBX|%d|" % n).replace(b"2951-2", b"%d-1" % n) for n in range(10_000))
    return {
        "500 repetitions": head + b"~" + b"~".join(b"%d^^^X%d^MR" % (n, n) for n in range(500)) + order + result,
        "10,000 OBX": head + order + many,
        "5 MB in OBX-5": head + order + b"\rOBX|1|TX|1^Text^L||" + b"word " * 1_000_000 + b"||||||F",
        "1 MB of delimiters": head + order + b"\rOBX|1|ST|1^Text^L||" + b"^~&" * 350_000,
        "1 MB of escapes": head + order + b"\rOBX|1|ST|1^Text^L||" + b"\\E\\\\F\\" * 170_000,
        "100,000 fields": head + b"\rPV1" + b"|x" * 100_000,
        "20,000 segments": head + b"\rZZZ|1" * 20_000,
    }


def rate(data: bytes) -> tuple[float, Any]:
    """Seconds of CPU for one conversion, and what it became."""
    started = time.process_time()
    found = convert(parse(data), plan(), Context(interface="fuzz"))
    return time.process_time() - started, found
