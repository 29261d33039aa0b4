"""Which questions are asked, given the answers so far (http://hl7.org/fhir/R4/questionnaire-definitions.html#Questionnaire.item.enableWhen)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from penstock.formats.fhir.validate.profile.compare import below

Json = dict[str, Any]


def value_in(holder: Json, prefix: str) -> tuple[str, Any] | None:
    """The value of a choice: the name of its type and what it holds."""
    return next(((name.removeprefix(prefix), each) for name, each in holder.items() if name.startswith(prefix)), None)


class Enablement:
    """The answers of a response by linkId, found once for each place that is asked about."""

    def __init__(self) -> None:
        self._answers: dict[int, dict[Any, list[Any]]] = {}

    def enabled(self, question: Json, lineage: tuple[Json, ...]) -> bool:
        """Whether an item is asked: all or any of its conditions hold, each for the nearest item that it asks about."""
        conditions = question.get("enableWhen", ())
        if not conditions:
            return True
        verdicts = [self._holds(condition, lineage) for condition in conditions]
        return any(verdicts) if question.get("enableBehavior") == "any" else all(verdicts)

    def _holds(self, condition: Json, lineage: tuple[Json, ...]) -> bool:
        answers = self._given(condition.get("question"), lineage)
        wanted = value_in(condition, "answer")
        operator = condition.get("operator")
        if operator == "exists":
            return bool(answers) is (wanted is None or wanted[1] is not False)
        test = _OPERATORS.get(str(operator))
        return wanted is not None and test is not None and any(test(answer, wanted[1]) for answer in answers)

    def _given(self, name: Any, lineage: tuple[Json, ...]) -> list[Any]:
        """Those of the nearest place around the item that has any."""
        for holder in reversed(lineage):
            if id(holder) not in self._answers:
                self._answers[id(holder)] = _by_name(holder)
            if found := self._answers[id(holder)].get(name):
                return found
        return []


def _by_name(holder: Json) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for item in _items(holder):
        values = [value[1] for answer in item.get("answer", ()) if (value := value_in(answer, "value")) is not None]
        found.setdefault(item.get("linkId"), []).extend(values)
    return found


def _items(holder: Json) -> Iterator[Json]:
    for item in holder.get("item", ()):
        yield item
        yield from _items(item)
        for answer in item.get("answer", ()):
            yield from _items(answer)


def same_answer(one: Any, other: Any) -> bool:
    """Codings by system and code, quantities by value and unit, references by what they refer to; anything else as it is."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = next((names for names in (("code", "system"), ("reference",)) if names[0] in one or names[0] in other), tuple(one))
        return all(one.get(name) == other.get(name) for name in (*names, *(("value",) if "value" in one else ())))
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": same_answer,
    "!=": lambda one, other: not same_answer(one, other),
    "<": lambda one, other: below(one, other) is True,
    ">": lambda one, other: below(other, one) is True,
    "<=": lambda one, other: same_answer(one, other) or below(one, other) is True,
    ">=": lambda one, other: same_answer(one, other) or below(other, one) is True,
}
