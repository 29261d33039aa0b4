"""Ways to send. Each knows how one kind of subscriber wants to be told; none knows of order, retries or the database."""

from __future__ import annotations

from collections.abc import Callable

from penstock.delivery.sinks.fhir import letter as fhir
from penstock.delivery.sinks.http import HttpSink
from penstock.delivery.sinks.parcel import Letter, Parcel, Sink
from penstock.delivery.sinks.rest_hook import letter as rest_hook
from penstock.delivery.sinks.webhook import letter as webhook

__all__ = ["SINKS", "HttpSink", "Letter", "Parcel", "Sink"]

#: Kind of subscriber to what makes its sink, given the sender of HTTP requests. Every one is tested by tests/contract/test_sinks.py.
SINKS: dict[str, Callable[[HttpSink], Sink]] = {
    "fhir": lambda http: http.with_letters(fhir),
    "rest-hook": lambda http: http.with_letters(rest_hook),
    "webhook": lambda http: http.with_letters(webhook),
}
