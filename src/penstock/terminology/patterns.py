"""Regular expressions that others wrote, in an engine that is linear in the text: no pattern takes long."""

from __future__ import annotations

from typing import Any

import re2

from penstock.errors import Problem

#: A pattern that needs more memory than this is refused.
_MEMORY = 1 << 20


def pattern(text: str) -> Any:
    """The expression compiled; Problem where it is none, or is too large."""
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error:
        raise Problem("invalid", "a filter of a value set has a regular expression that is not one, or is too large") from None
