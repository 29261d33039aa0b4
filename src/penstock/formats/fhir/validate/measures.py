"""Reports by the measure that they are about (http://hl7.org/fhir/R4/measurereport.html, measure.html).

A report has one group for each group of its measure, and in it one population and one stratifier for each that the measure defines. They
are paired by their codes; a stratifier of components, which has no code (mea-1), by those of its components.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

from penstock.formats.fhir.validate.issue import Issue
from penstock.formats.fhir.validate.items import Item
from penstock.formats.fhir.validate.profile.apply import World

Json = dict[str, Any]
#: Whether a part of a report is the one that a part of its measure defines.
Same = Callable[[Json, Json], bool]
#: A part of a report, the part of the measure that it is about, and where it stands.
Pair = tuple[Json, Json, str]

#: What defines the single observations and is not counted itself.
UNCOUNTED = "measure-observation"
#: Scorings of which the result is a number (codesystem-measure-scoring.html).
SCORED = frozenset(("proportion", "ratio", "continuous-variable"))
#: Reports about many subjects.
OF_MANY = frozenset(("summary", "subject-list"))


def check(item: Item, world: World) -> list[Issue]:
    """What a report has, and does not have, that its measure asks for. A report of collected data has no results (mrp-1)."""
    url = item.value.get("measure")
    if not isinstance(url, str) or item.value.get("type") == "data-collection":
        return []
    measure = world.named("Measure", url)
    if measure is None:
        return [Issue("warning", "not-found", "the measure is not known here", f"{item.at}.measure", "measure")]
    if not measure.get("group"):
        return []
    complete, scoring = item.value.get("status") == "complete", _code(measure.get("scoring"))
    report = _Report(complete, scoring, complete and scoring in SCORED and item.value.get("type") in OF_MANY, [])
    for given, defined, at in report.pairs(measure, item.value, "group", item.at, _same_code):
        report.group(given, defined, at)
    return report.issues


class _Report(NamedTuple):
    """``complete`` says that nothing may be missing, ``scored`` that a score is expected; ``scoring`` is that of the measure."""

    complete: bool
    scoring: str
    scored: bool
    issues: list[Issue]

    def group(self, given: Json, defined: Json, at: str) -> None:
        self.pairs(defined, given, "population", at, _same_code)
        if self.scored and "measureScore" not in given:
            self.issues.append(Issue("warning", "required", "a measure of this scoring has a score", at, "measureScore"))
        self._score(given, at)
        for stratifier, _, place in self.pairs(defined, given, "stratifier", at, _same_stratifier):
            for number, stratum in enumerate(stratifier.get("stratum", ())):
                self._score(stratum, f"{place}.stratum[{number}]")

    def pairs(self, measure: Json, report: Json, kind: str, at: str, same: Same) -> list[Pair]:
        """What both have of a kind; what only one of them has is an issue. Where both have one of it, it needs no code."""
        left, given = list(measure.get(kind, ())), report.get(kind, [])
        pairs, alone = [], len(left) == len(given) == 1 and _is_anonymous(given[0], left[0])
        for number, each in enumerate(given):
            place = f"{at}.{kind}[{number}]"
            found = left[0] if alone else next((one for one in left if same(each, one)), None)
            if found is None:
                self._note("business-rule", f"the measure has no such {kind}, or it is reported twice", place, kind)
            else:
                left.remove(found)
                pairs.append((each, found, place))
        if self.complete and any(_code(one.get("code")) != UNCOUNTED for one in left):
            self._note("required", f"a {kind} of the measure is not reported", at, kind)
        return pairs

    def _score(self, holder: Json, at: str) -> None:
        """The score, as the scoring of the measure makes it (codesystem-measure-scoring.html)."""
        score, at = holder.get("measureScore"), f"{at}.measureScore"
        if score is None:
            return
        if self.scoring == "cohort":
            self._note("business-rule", "a measure that defines a cohort has no score", at, "measureScore")
        elif self.scoring == "proportion" and not _is_proportion(score):
            self._note("business-rule", "the score of a proportion is between 0 and 1, or between 0 and 100 %", at, "measureScore")

    def _note(self, code: str, text: str, at: str, rule: str) -> None:
        self.issues.append(Issue("error", code, text, at, rule))


def _is_proportion(score: Json) -> bool:
    value = score.get("value")
    if not isinstance(value, int | float | Decimal):
        return "value" not in score
    return 0 <= value <= (100 if "%" in (score.get("code"), score.get("unit")) else 1)


def _is_anonymous(given: Json, defined: Json) -> bool:
    return "component" not in defined and not ("code" in given and "code" in defined)


def _same_code(given: Json, defined: Json) -> bool:
    return _meets(given.get("code", {}), defined.get("code", {}))


def _same_stratifier(given: Json, defined: Json) -> bool:
    """By one of the codes of the report, else by the components that each stratum of it has; one without a code is any."""
    if "component" in defined:
        strata = [stratum.get("component", []) for stratum in given.get("stratum", ())]
        return all(_same_components(stratum, defined["component"]) for stratum in strata)
    return "code" not in defined or any(_meets(code, defined["code"]) for code in given.get("code", ()))


def _same_components(given: list[Json], defined: list[Json]) -> bool:
    return len(given) == len(defined) and all(any(_same_code(each, one) for one in defined) for each in given)


def _meets(one: Json, other: Json) -> bool:
    """Whether two concepts share a coding; of concepts without codings, whether they have the same text."""
    codings = {(each.get("system"), each.get("code")) for each in one.get("coding", ())}
    others = {(each.get("system"), each.get("code")) for each in other.get("coding", ())}
    if codings and others:
        return not codings.isdisjoint(others)
    return "text" in one and one["text"] == other.get("text")


def _code(concept: Json | None) -> str:
    """The first code of a concept."""
    return next((str(each["code"]) for each in (concept or {}).get("coding", ()) if "code" in each), "")
