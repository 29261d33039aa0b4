"""HL7 v2 to FHIR alone: CPU time of one core, parse and convert with lineage, nothing stored."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from penstock.app import tame_gc
from penstock.convert import Context, convert, plan
from penstock.formats.hl7v2 import parse
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
