"""Where in the expression something went wrong while it ran."""

from __future__ import annotations

from collections.abc import Callable

from penstock.errors import Problem
from penstock.formats.fhir.path.lexer import where

#: The name under which Python knows the code of expressions.
FILE = "<fhirpath>"


def teller(text: str, head: int, places: tuple[int, ...]) -> Callable[[Exception], Exception]:
    """What tells an error of code that has ``head`` lines and then one for each of ``places``."""

    def told(error: Exception) -> Exception:
        if isinstance(error, RecursionError):
            return Problem("too-costly", "the data are nested too deep for the expression")
        if not isinstance(error, (Problem, AttributeError, TypeError, LookupError)) or str(getattr(error, "at", "")):
            return error
        trace = error.__traceback__
        line = 0
        while trace is not None:
            line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == FILE else line
            trace = trace.tb_next
        place = line - head - 1
        at = where(text, places[place]) if 0 <= place < len(places) else ""
        if isinstance(error, Problem):
            return Problem(error.code, error.text, at=at)
        return Problem("structure", "what the expression is read at does not have the structure of its type", at=at)

    return told
