"""HL7 v2 to FHIR alone: CPU time of one core, parse and convert with lineage, nothing stored."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median

import hl7
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message as hl7apy_parse

from penstock.app import tame_gc
from penstock.convert import Context, convert, plan
from penstock.formats.hl7v2 import Message, parse
from penstock.formats.hl7v2.escape import unescape
from penstock.formats.hl7v2.message import parts
from penstock.samples.people import people
from penstock.samples.traffic import adt, oru


def convert_rates(seconds: float) -> None:
    """Messages a second of one core for an ADT^A01 and an ORU^R01 with 30 OBX, with the program's garbage collection; median of five."""
    everyone, compiled, context = people(100), plan(), Context()
    tame_gc()
    kinds: dict[str, Callable[[int], bytes]] = {
        "ADT^A01": lambda n: adt(everyone[n % 100], f"B{n}"),
        "ORU^R01, 30 OBX": lambda n: oru(everyone[n % 100], f"B{n}"),
    }
    for name, make in kinds.items():
        messages = [make(n) for n in range(100)]
        runs = []
        for _ in range(5):
            done, start = 0, time.process_time()
            while time.process_time() - start < seconds / 5:
                for message in messages:
                    convert(parse(message), compiled, context)
                done += len(messages)
            runs.append(done / (time.process_time() - start))
        print(f"  {name:<18} {median(runs):8,.0f} messages/s of one core", flush=True)


def everything(message: Message) -> int:
    """Every subcomponent of a message read and unescaped, as libraries do that build a tree; how many there are."""
    cuts, count = message.delimiters, 0
    for segment in message.segments:
        for raw in segment.fields[1:]:
            for repetition in parts(raw, cuts.repetition):
                for component in parts(repetition, cuts.component):
                    for part in parts(component, cuts.subcomponent):
                        count += bool(unescape(part, cuts, message.charset) if cuts.escape in part else part)
    return count


def parse_rates(seconds: float) -> None:
    """Messages a second of one core, parse alone, beside two libraries: ours on demand, and with every subcomponent read."""
    everyone = people(20)
    readers: dict[str, Callable[[bytes], object]] = {
        "penstock, fields on demand": parse,
        "penstock, every subcomponent": lambda data: everything(parse(data)),
        "python-hl7": lambda data: hl7.parse(data.decode()),
        "hl7apy, tolerant": lambda data: hl7apy_parse(data.decode(), validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=False),
    }
    makers: dict[str, Callable[..., bytes]] = {"ADT^A01": adt, "ORU^R01, 30 OBX": oru}
    for kind, make in makers.items():
        messages = [make(one, f"B{n}") for n, one in enumerate(everyone)]
        rates = {name: median([rate(read, messages, seconds / 10) for _ in range(5)]) for name, read in readers.items()}
        for name, found in rates.items():
            ratios = ", ".join(f"{found / rates[other]:,.1f} x {other}" for other in ("python-hl7", "hl7apy, tolerant"))
            print(f"  {kind:<16} {name:<30} {found:10,.0f} messages/s of one core   {ratios}", flush=True)


def rate(read: Callable[[bytes], object], messages: Sequence[bytes], seconds: float) -> float:
    """Messages a second of CPU time; at least one of each."""
    done, start = 0, time.process_time()
    while done < len(messages) or time.process_time() - start < seconds:
        read(messages[done % len(messages)])
        done += 1
    return done / (time.process_time() - start)
