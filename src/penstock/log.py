"""Structured logs without patient data (invariant 8): an event name and keys from an allow-list; any other key raises.

``log = get("ingress"); log.info("message.stopped", inbox_id=7, code="invalid", at="PID-7")`` prints one JSON line on
standard error. Never bodies, names, identifiers, words of foreign exceptions or query strings.
"""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog

#: Every key a log line may carry. None of them can hold a patient's value.
KEYS = frozenset(
    {
        "event", "level", "timestamp", "part",  # set here
        "at", "attempts", "bytes", "client", "code", "count", "database", "duration_ms", "error", "exit_code", "http",
        "id", "inbox_id", "interface", "kind", "lane", "lag", "method", "mllp", "name", "origin", "pid", "port", "reason", "role",
        "route", "rule", "seconds", "seq", "sink", "state", "status", "subscription", "text", "trace_id", "type",
        "version",
    }
)  # fmt: skip


def _allow(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in line:
        if key not in KEYS:
            raise KeyError(f"log key {key!r} is not on the allow-list of penstock.log")
    return line


def configure(level: str = "info") -> None:
    """Send log lines of at least ``level`` to standard error as JSON. Called once, by the command line."""
    number = {"debug": 10, "info": 20, "warning": 30, "error": 40}[level]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            _allow,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=lambda line, **_: orjson.dumps(line).decode()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def get(part: str) -> Any:
    """A logger for one part of the program, such as ``ingress``."""
    return structlog.get_logger(part=part)  # lazy: configured when it is first used


def origin(error: BaseException) -> str:
    """The innermost line of ours that an exception passed (``penstock.convert.merge:48``): where to look, without its words."""
    found = ""
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__", "")
        if name.startswith("penstock."):
            found = f"{name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found
