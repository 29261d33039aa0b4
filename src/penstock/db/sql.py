"""SQL is SQL: each owner keeps its statements in a ``queries.sql`` of named blocks (``-- name: claim``)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from types import MappingProxyType


@cache
def named_sql(package: str, file: str = "queries.sql") -> MappingProxyType[str, str]:
    """Name to statement, of ``file`` in ``package`` (``named_sql(__package__)["claim"]``)."""
    blocks: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in files(package).joinpath(file).read_text(encoding="utf-8").splitlines():
        if line.startswith("-- name: "):
            lines = blocks.setdefault(line.removeprefix("-- name: ").strip(), [])
        else:
            lines.append(line)
    return MappingProxyType({name: "\n".join(block).strip() for name, block in blocks.items()})
