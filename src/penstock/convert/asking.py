"""Whether the condition of a row holds at a place of a message, asked afterwards: to explain, and to give a reason."""

from __future__ import annotations

from functools import lru_cache
from types import CodeType

from penstock.convert import conditions, sources
from penstock.convert.builtins import EMPTY
from penstock.convert.primitives import numeric
from penstock.convert.rows import Row
from penstock.convert.rule import position as field_number
from penstock.convert.run import Run, pick, piece
from penstock.convert.sources import Here


def holds(row: Row, run: Run, fields: list[str], place: int) -> bool:
    """Whether the row's condition holds for the first repetition of its field."""
    code = compiled_condition(row.condition, run.segments[place].name, field_number(row.source))
    if code is None:
        return True
    raw = fields[field_number(row.source)].split(run.R)[0]
    names = {
        "run": run,
        "fields": fields,
        "at_segment": place,
        "raw": raw,
        "EMPTY": EMPTY,
        "piece": piece,
        "pick": pick,
        "numeric": numeric,
    }
    return bool(eval(code, names))  # noqa: S307 - an expression that the compiler made of one of our rows


@lru_cache(maxsize=4096)
def compiled_condition(text: str, segment: str, number: int) -> CodeType | None:
    expression = sources.condition(conditions.parse(text), Here(segment, number))
    return compile(expression, "<condition>", "eval") if expression else None
