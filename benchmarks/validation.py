"""Validation and indexing alone: processor time of one core for a typical Observation, nothing stored."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

from penstock.app import tame_gc
from penstock.formats.fhir.canonical import Shelf
from penstock.formats.fhir.searchparams import R4
from penstock.formats.fhir.validate import check, require_sound
from penstock.formats.fhir.validate.validator import Validator
from penstock.samples.people import vitals
from penstock.store.row import row_of
from penstock.terminology import Terminology


def validation_costs(seconds: float) -> None:
    """Microseconds for one Observation; median of five."""
    observations = [each for seed in range(50) for each in vitals("Patient/p", seed=seed, at="2025-04-14T09:00:00Z")]
    for number, observation in enumerate(observations):
        observation["id"] = f"o{number}"
    definitions = Shelf()
    validator = Validator(definitions, Terminology(definitions))
    tame_gc()
    kinds: dict[str, Callable[[dict[str, Any]], object]] = {
        "structure": check,
        "structure and invariants: every write": require_sound,
        "all of R4: $validate": validator.check,
        "search values and row": lambda each: row_of("main", "Observation", each["id"], R4.extract(each)),
    }
    for name, do in kinds.items():
        print(f"  {name:<40} {median(_cost(do, observations, seconds / 5) for _ in range(5)):6.1f} µs an Observation", flush=True)


def _cost(do: Callable[[dict[str, Any]], object], observations: list[dict[str, Any]], seconds: float) -> float:
    done, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        for each in observations:
            do(each)
        done += len(observations)
    return (time.process_time() - start) / done * 1e6
