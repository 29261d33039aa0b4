"""FHIRPath alone: the search parameters' expressions on converted messages, compiled once by us and by ``fhirpathpy``, in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import fhirpathpy
from fhirpathpy.models import models

from penstock.convert import Context, convert, plan
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.path import program
from penstock.formats.hl7v2 import parse
from penstock.samples.people import people
from penstock.samples.traffic import adt, oru

Evaluate = Callable[..., list[Any]]


def run(seconds: float = 6.0) -> None:
    """Microseconds for all search parameters of one resource; expressions that ``fhirpathpy`` cannot evaluate are left out for both."""
    rows = [row for resource in _resources() for row in _rows(resource)]
    shared = [(ours, theirs, resource) for ours, theirs, resource in rows if _answers(theirs, resource)]
    fast = _each([(ours, resource) for ours, _, resource in shared], seconds / 2)
    slow = _each([(theirs, resource) for _, theirs, resource in shared], seconds / 2)
    print(f"  {len(shared)} of {len(rows)} expressions: ours {fast:,.2f} µs each, fhirpathpy {slow:,.1f} µs each, ratio {slow / fast:,.0f}")


def _resources() -> list[dict[str, Any]]:
    """One resource of every type that an admission and a report become."""
    messages = [make(people(1)[0], "F1") for make in (adt, oru)]
    found = [resource for message in messages for resource in convert(parse(message), plan(), Context()).resources]
    return list({resource["resourceType"]: _without_decimals(resource) for resource in found}.values())


def _without_decimals(value: Any) -> Any:
    """``fhirpathpy`` expects numbers as the standard library reads them."""
    if isinstance(value, dict):
        return {name: _without_decimals(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_without_decimals(each) for each in value]
    return float(value) if isinstance(value, Decimal) else value


def _rows(resource: dict[str, Any]) -> Iterator[tuple[Evaluate, Evaluate, dict[str, Any]]]:
    for parameter in r4().search_params(resource["resourceType"]).values():
        if parameter.expression:
            theirs = fhirpathpy.compile(parameter.expression, models["r4"])
            yield program(parameter.expression, resource["resourceType"]), theirs, resource


def _answers(evaluate: Evaluate, resource: dict[str, Any]) -> bool:
    try:
        evaluate(resource)
    except Exception:
        return False
    return True


def _each(rows: list[tuple[Evaluate, dict[str, Any]]], seconds: float) -> float:
    """Microseconds of processor time for one evaluation."""
    done, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        for evaluate, resource in rows:
            evaluate(resource)
        done += len(rows)
    return (time.process_time() - start) / done * 1e6
