"""What the driver's exceptions mean: the one door for foreign exceptions of this library."""

from __future__ import annotations

import asyncpg

from penstock.errors import Problem

#: What the driver raises. A ConnectionError is a lost connection; a TimeoutError is not here, because anything may raise it.
FOREIGN = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, ConnectionError)

#: SQLSTATE or its class (https://www.postgresql.org/docs/current/errcodes-appendix.html) to the code of the Problem that it is.
_STATES: dict[str, str] = {
    "08": "transient",
    "22": "value",
    "22012": "exception",  # a division by zero is in our SQL
    "23505": "duplicate",
    "25006": "transient",  # read only: the primary has just become a replica
    "25P03": "timeout",
    "28": "no-store",
    "3D000": "no-store",
    "40": "conflict",
    "53": "no-store",
    "53300": "transient",
    "55P03": "lock-error",
    "57": "transient",
    "57014": "timeout",
    "58": "no-store",
}


def explain_database(error: BaseException) -> Problem:
    """The Problem that an exception of the driver is. Its own words are not repeated: they may hold values."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        code = _STATES.get(state) or _STATES.get(state[:2]) or "exception"
        return Problem(code, f"the database refused this ({type(error).__name__})")
    if isinstance(error, ValueError):
        return Problem("invalid", "this is not a URL of a PostgreSQL database")
    return Problem("transient", "the database cannot be reached")


def may_come_back(error: BaseException) -> bool:
    """Whether a failed attempt to connect may succeed soon: nobody listens yet, or the server starts, stops or is full."""
    if isinstance(error, asyncpg.PostgresError):
        return error.sqlstate in ("57P01", "57P02", "57P03", "53300")
    return isinstance(error, OSError | asyncpg.InterfaceError) and not isinstance(error, ValueError)
