"""Questionnaires and the answers to them (http://hl7.org/fhir/R4/questionnaire.html#notes, questionnaireresponse.html#notes)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from penstock.formats.fhir.validate.answers import judged
from penstock.formats.fhir.validate.enablement import Enablement
from penstock.formats.fhir.validate.issue import Issue
from penstock.formats.fhir.validate.items import Item
from penstock.formats.fhir.validate.profile.apply import World

Json = dict[str, Any]

#: A response in one of these states is complete: what is required is there.
COMPLETE = frozenset(("completed", "amended"))
MAX_OCCURS = "http://hl7.org/fhir/StructureDefinition/questionnaire-maxOccurs"
MIN_OCCURS = "http://hl7.org/fhir/StructureDefinition/questionnaire-minOccurs"


def check_questionnaire(item: Item, world: World) -> list[Issue]:
    """A condition asks about a question that there is, and that is not below the item which it enables."""
    every = {each["linkId"]: each for each, _ in _all(item.value, item.at) if "linkId" in each}
    issues = []
    for each, at in _all(item.value, item.at):
        inner = {below.get("linkId") for below, _ in _all(each, at)} | {each.get("linkId")}
        for number, condition in enumerate(each.get("enableWhen", ())):
            place = f"{at}.enableWhen[{number}].question"
            if condition.get("question") in inner:
                issues.append(Issue("error", "business-rule", "an item is enabled by a question outside of it", place, "enableWhen"))
            elif condition.get("question") not in every:
                issues.append(Issue("error", "not-found", "a condition asks about a question that there is", place, "enableWhen"))
    return issues


def _all(holder: Json, at: str) -> Iterator[tuple[Json, str]]:
    for number, item in enumerate(holder.get("item", ())):
        yield item, f"{at}.item[{number}]"
        yield from _all(item, f"{at}.item[{number}]")


def check_response(item: Item, world: World) -> list[Issue]:
    """The answers of a response by the items of its questionnaire."""
    url = item.value.get("questionnaire")
    if not isinstance(url, str):
        return []
    questionnaire = world.named("Questionnaire", url)
    if questionnaire is None:
        return [Issue("warning", "not-found", "the questionnaire is not known here", f"{item.at}.questionnaire", "questionnaire")]
    walk = _Walk(world, Enablement(), item.value.get("status") in COMPLETE, [])
    walk.items(questionnaire, item.value, item.at, (item.value,))
    return walk.issues


@dataclass(frozen=True, slots=True)
class _Walk:
    """``lineage`` is the response and the items around the one that is looked at, outermost first."""

    world: World
    enablement: Enablement
    complete: bool
    issues: list[Issue]

    def items(self, asked: Json, given: Json, at: str, lineage: tuple[Json, ...]) -> None:
        """The items given below one place of the questionnaire."""
        questions = {each.get("linkId"): number for number, each in enumerate(asked.get("item", ()))}
        groups: dict[Any, list[tuple[Json, str]]] = {}
        latest = 0
        for number, each in enumerate(given.get("item", ())):
            place, name = f"{at}.item[{number}]", each.get("linkId")
            if name not in questions:
                self._note("not-found", "the questionnaire has no such item here", f"{place}.linkId", "linkId")
                continue
            if questions[name] < latest:
                self._note("structure", "the items are in another order than those of the questionnaire", place, "order")
            latest = max(latest, questions[name])
            groups.setdefault(name, []).append((each, place))
        for question in asked.get("item", ()):
            self._question(question, groups.get(question.get("linkId"), []), at, lineage)

    def _question(self, question: Json, given: list[tuple[Json, str]], at: str, lineage: tuple[Json, ...]) -> None:
        enabled = self.enablement.enabled(question, lineage)
        is_group = question.get("type") == "group"
        if len(given) > 1 and not (is_group and question.get("repeats")):
            self._note("structure", "an item that does not repeat as a group is given once", given[1][1], "repeats")
        if not enabled and any(_has_answer(each) for each, _ in given):
            self._note("structure", "an item has answers though it is not enabled", given[0][1], "enableWhen")
        if enabled and self.complete and question.get("required") and not any(_has_answer(each) for each, _ in given):
            self._note("required", "an item that the questionnaire requires has no answer", given[0][1] if given else at, "required")
        for each, place in given:
            self._given(question, each, place, lineage)

    def _given(self, question: Json, given: Json, at: str, lineage: tuple[Json, ...]) -> None:
        answers = given.get("answer", ())
        if question.get("type") in ("group", "display"):
            if answers:
                self._note("structure", "groups and displays have no answers", at, "type")
        else:
            self._number(question, len(answers), at)
        for number, answer in enumerate(answers):
            place = f"{at}.answer[{number}]"
            for code, text, rule in judged(question, answer, self.world):
                self._note(code, text, f"{place}.value", rule)
            self.items(question, answer, place, (*lineage, given, answer))
        if "item" in given or question.get("type") == "group":
            self.items(question, given, at, (*lineage, given))

    def _number(self, question: Json, count: int, at: str) -> None:
        if count > 1 and not question.get("repeats"):
            self._note("structure", "a question that does not repeat has one answer", at, "repeats")
        limits = {each.get("url"): each["valueInteger"] for each in question.get("extension", ()) if "valueInteger" in each}
        if count > limits.get(MAX_OCCURS, count):
            self._note("structure", "the question has more answers than it may", at, "maxOccurs")
        if 0 < count < limits.get(MIN_OCCURS, 0):
            self._note("structure", "the question has fewer answers than it must", at, "minOccurs")

    def _note(self, code: str, text: str, at: str, rule: str) -> None:
        self.issues.append(Issue("error", code, text, at, rule))


def _has_answer(given: Json) -> bool:
    return bool(given.get("answer")) or any(_has_answer(each) for each in given.get("item", ()))
