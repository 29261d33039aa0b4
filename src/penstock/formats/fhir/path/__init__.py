"""FHIRPath compiled to Python: ``compile(expression, type)`` gives a function from a resource to a list of items.

``lexer`` and ``parser`` know the whole grammar; ``flow`` types the tree against the definitions; ``generate`` writes the code;
``functions`` is what that code calls. What is not supported yet is refused when it is compiled, never when it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from penstock.errors import Problem
from penstock.formats.fhir.path.generate import Writer, collect
from penstock.formats.fhir.path.parser import parse

__all__ = ["compile", "parse"]


@lru_cache(maxsize=1024)
def compile(expression: str, type: str) -> Callable[[dict[str, Any]], list[Any]]:
    """The function that an expression is, read at resources or elements of a type.

    Problem("invalid") when it does not parse or names what R4 does not have, Problem("not-supported") for what we do not do.
    """
    try:
        writer = Writer()
        result = collect(writer, parse(expression), "r", type)
        writer.line(f"return {result}")
        return writer.function("evaluate", "r")
    except RecursionError:
        raise Problem("too-costly", "the expression is nested too deep") from None
