"""``penstock convert``: messages to Bundles, or to the story of each rule, without a server. One bad message costs only itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Self

import msgspec

from penstock.clock import SystemClock
from penstock.convert import Context, Explained, Plan, convert, explain, to_bundle
from penstock.errors import Problem
from penstock.formats.fhir import json
from penstock.formats.hl7v2 import Message, parse, split_batch
from penstock.settings import Settings
from penstock.site import Channel, load_site


class Bench(NamedTuple):
    """A compiled plan, and the interface as which messages are read."""

    plan: Plan
    channel: Channel

    @classmethod
    def of(cls, settings: Settings, interface: str = "mllp", *, message: bool = False) -> Self:
        """The bench of the site that the settings name; Problems or an ExceptionGroup of them where it is not in order.

        With ``message`` it makes what tells of the message as well, which the program does not store.
        """
        site = load_site(settings.site, zone=settings.zone)
        channel = site.channel(interface)
        return cls(site.plan(channel, message=message), channel)

    def read(self, raw: bytes) -> Message:
        interface = self.channel.interface
        return parse(raw, charset=interface.charset, fallback=interface.fallback)

    def context(self) -> Context:
        channel = self.channel
        return Context(
            interface=channel.name,
            zone=channel.zone,
            received_at=SystemClock().now(),
            authorities=channel.authorities,
            code_systems=channel.code_systems,
        )


class Told(NamedTuple):
    """What there is to say of one message of a file: lines, or its problem. ``place`` counts from 1; 0 is the file as a whole."""

    place: int
    lines: Sequence[str]
    problem: Problem | None = None


#: One message in words.
Tell = Callable[[bytes, Bench], Iterable[str]]


def tell_each(raw: bytes, bench: Bench, tell: Tell) -> Iterator[Told]:
    """Every message of ``raw`` in its order, good or bad; then what is wrong with the batch as a whole."""
    batch = split_batch(raw)
    for place, one in enumerate(batch.messages, start=1):
        try:
            yield Told(place, list(tell(one, bench)))
        except Problem as problem:
            yield Told(place, (), problem)
    if not batch.messages:
        yield Told(0, (), Problem("required", "there is no message in it"))
    yield from (Told(0, (), problem) for problem in batch.problems)


def pretty_bundle(raw: bytes, bench: Bench) -> Iterator[str]:
    """The Bundle of a message, for people."""
    yield msgspec.json.format(_bundle(raw, bench), indent=2).decode()


def bundle_line(raw: bytes, bench: Bench) -> Iterator[str]:
    """The Bundle of a message in one line."""
    yield _bundle(raw, bench).decode()


def rules(raw: bytes, bench: Bench) -> Iterator[str]:
    """Rule by rule what became what, and what was left over and why, as a table."""
    rows = [(step.source, step.rule, step.target, f"{step.outcome} {step.why}") for step in _steps(raw, bench)]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    for row in rows:
        yield "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()


def rules_line(raw: bytes, bench: Bench) -> Iterator[str]:
    """The same as a line of JSON."""
    yield msgspec.json.encode([step._asdict() for step in _steps(raw, bench)]).decode()


#: By (--explain, --json) what is told of a message.
TELLS: dict[tuple[bool, bool], Tell] = {
    (False, False): pretty_bundle,
    (False, True): bundle_line,
    (True, False): rules,
    (True, True): rules_line,
}


def _bundle(raw: bytes, bench: Bench) -> bytes:
    return json.encode(to_bundle(convert(bench.read(raw), bench.plan, bench.context())))


def _steps(raw: bytes, bench: Bench) -> list[Explained]:
    return explain(bench.read(raw), bench.plan, bench.context())
