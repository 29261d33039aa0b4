"""OpenTelemetry spans, placed by hand: one a message and stage, under the message's own trace id.

Nothing is made unless ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set and the ``otlp`` extra is installed: even spans that go nowhere cost
50 µs a message. Attributes are ids and codes of ours, never values; an exception leaves none of its words in a span.
"""

from __future__ import annotations

import importlib
import os
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, Span, SpanContext, TraceFlags

from penstock.errors import Problem

_tracer = trace.get_tracer("penstock")


_NOWHERE = nullcontext(INVALID_SPAN)
_exporting = False


def span(name: str, trace_id: str, **attributes: str | int) -> AbstractContextManager[Span]:
    """A span of the trace ``trace_id`` (32 hexadecimal digits)."""
    return _span(name, trace_id, attributes) if _exporting else _NOWHERE


@contextmanager
def _span(name: str, trace_id: str, attributes: dict[str, str | int]) -> Iterator[Span]:
    parent = SpanContext(int(trace_id, 16), secrets.randbits(64) | 1, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    context = trace.set_span_in_context(NonRecordingSpan(parent))
    with _tracer.start_as_current_span(name, context, attributes=attributes, record_exception=False, set_status_on_exception=False) as made:
        yield made


def configure() -> TracerProvider | None:
    """Export spans where the environment asks for it (https://opentelemetry.io/docs/specs/otel/protocol/exporter/)."""
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return None
    try:
        exporter = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter").OTLPSpanExporter()
    except ImportError as error:
        raise Problem("not-supported", "exporting traces needs the extra penstock[otlp]") from error
    global _exporting
    _exporting = True
    provider = TracerProvider(resource=Resource.create({"service.name": "penstock"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider
