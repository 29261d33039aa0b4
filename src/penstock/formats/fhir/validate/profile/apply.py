"""A resource along the tree of a profile: every constraint is asked, every answer becomes an Issue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from penstock.formats.fhir.definitions import Binding
from penstock.formats.fhir.validate.issue import Issue
from penstock.formats.fhir.validate.items import Item, members
from penstock.formats.fhir.validate.policy import Policy
from penstock.formats.fhir.validate.profile.relative import too_early, too_late
from penstock.formats.fhir.validate.profile.slices import is_one
from penstock.formats.fhir.validate.profile.tree import Node, Profile
from penstock.formats.fhir.validate.references import Place


class World(Protocol):
    """What an element needs to know beyond itself; ``run.Run`` is it."""

    @property
    def place(self) -> Place: ...
    @property
    def policy(self) -> Policy: ...
    @property
    def now(self) -> datetime | None: ...
    def definition(self, url: str) -> dict[str, Any] | None: ...
    def named(self, type: str, url: str) -> dict[str, Any] | None: ...

    def coded(self, item: Item, value_set: str) -> bool | None: ...
    def shows(self, item: Item) -> bool | None: ...
    def resolved(self, item: Item) -> list[Item]: ...
    def target_type(self, item: Item) -> str: ...
    def how_held(self, item: Item) -> str: ...
    def kinds_of(self, url: str) -> frozenset[str]: ...
    def type_of(self, url: str) -> str | None: ...
    def conforms(self, item: Item, url: str) -> bool | None: ...
    def apply(self, item: Item, url: str, /) -> list[Issue] | None: ...
    def holds(self, expression: str, item: Item) -> bool | None: ...
    def selects(self, expression: str, item: Item) -> bool: ...
    def spend(self, steps: int = 1) -> None: ...


@dataclass(frozen=True, slots=True)
class Walk:
    """One profile applied to one item: the issues are in ``found``."""

    profile: Profile
    world: World
    found: list[Issue]

    def root(self, item: Item) -> None:
        if self.profile.type and not is_one(item.type, frozenset((self.profile.type,))):
            self._note("error", "structure", "the profile is about another type", item.at, "type", self.profile.root)
            return
        self._item(self.profile.root, item)

    def _items(self, node: Node, items: Sequence[Item], above: str) -> None:
        if len(items) < node.least:
            text = "an element that the profile requires is missing, or there are too few"
            self._note("error", "required", text, above, "min", node)
        if node.most is not None and len(items) > node.most:
            self._note("error", "structure", "there are more of this element than the profile allows", above, "max", node)
        for item in items:
            self._item(node, item)
        if node.slices:
            self._slices(node, items, above)

    def _item(self, node: Node, item: Item) -> None:
        self.world.spend()
        if node.types and not is_one(item.type, node.types):
            self._note("error", "structure", "the element is of a type that the profile does not allow", item.at, "type", node)
            return
        for rule in node.values:
            if not rule.holds(item.value):
                self._note("error", "value", rule.text, item.at, rule.kind, node)
        if node.relative and isinstance(item.value, str):
            self._in_time(node, item)
        for binding in (node.binding, *node.more_bindings) if node.binding or node.more_bindings else ():
            if binding is not None:
                self._bound(node, binding, item)
        if node.rules:
            self._rules(node, item)
        if node.profiles:
            self._profiled(node, item)
        if (node.targets or node.aggregation) and item.type == "Reference":
            self._reference(node, item)
        self._inside(node, item)
        if node.refers is not None and node.refers is not node:
            self._inside(node.refers, item)

    def _in_time(self, node: Node, item: Item) -> None:
        for kind, duration in node.relative:
            wrong = too_early if kind == "minValue" else too_late
            if self.world.now is not None and wrong(item.value, duration, self.world.now):
                self._note("error", "value", "the time is further from now than the profile allows", item.at, kind, node)

    def _inside(self, node: Node, item: Item) -> None:
        for child in node.children:
            self._items(child, members(item, child.stem), f"{item.at}.{child.stem}")

    def _slices(self, node: Node, items: Sequence[Item], above: str) -> None:
        """Each item goes to the first slice that it belongs to (http://hl7.org/fhir/R4/profiling.html#slicing)."""
        groups: list[list[Item]] = [[] for _ in node.slices]
        latest, outside = 0, False
        for item in items:
            self.world.spend(len(node.slices))
            number = next((number for number, slice in enumerate(node.slices) if slice.belongs(item, self.world)), None)
            if number is None:
                outside = True
                if node.sliced == "closed":
                    self._note(
                        "error", "structure", "the element is in none of the slices, and no others are allowed", item.at, "slice", node
                    )
                continue
            groups[number].append(item)
            if (outside and node.sliced == "openAtEnd") or (node.ordered and number < latest):
                self._note("error", "structure", "the slices are in another order than the profile asks", item.at, "slice", node)
            latest = max(latest, number)
        for slice, group in zip(node.slices, groups, strict=True):
            self._items(slice.node, group, above)

    def _bound(self, node: Node, binding: Binding, item: Item) -> None:
        self.found.extend(bound(binding, item, self.world, self.profile.url, node.id))

    def _rules(self, node: Node, item: Item) -> None:
        for rule in node.rules:
            if item.value is not None and self.world.holds(rule.expression, item) is False:
                text = f"a rule of the profile is broken: {rule.words or rule.key}"
                self._note("error" if rule.severity == "error" else "warning", "invariant", text, item.at, rule.key, node)

    def _profiled(self, node: Node, item: Item) -> None:
        """The element conforms to one of the profiles that its type may have here."""
        urls = next((urls for code, urls in node.profiles.items() if is_one(item.type, frozenset((code,)))), ())
        if len(urls) == 1:
            issues = self.world.apply(item, urls[0])
            self.found.extend(issues or ())
            verdict = None if issues is None else True
        else:
            verdict = self._one_of(item, urls)
        self._judged(verdict, "the element conforms to none of the profiles that are allowed here", "profile", item, node)

    def _one_of(self, item: Item, urls: Sequence[str]) -> bool | None:
        """Whether an item conforms to one of the profiles, or there is none; None where it depends on one that nobody here knows."""
        verdict: bool | None = not urls
        for url in urls:
            conforms = self.world.conforms(item, url)
            if conforms:
                return True
            verdict = None if conforms is None else verdict
        return verdict

    def _judged(self, verdict: bool | None, text: str, rule: str, item: Item, node: Node) -> None:
        """Says of an item that it conforms to none of its profiles, or that this is not known."""
        if verdict is False:
            self._note("error", "structure", text, item.at, rule, node)
        elif verdict is None and (severity := self.world.policy.unknown_profile):
            self._note(severity, "not-found", "a profile that must be conformed to is not known here", item.at, rule, node)

    def _reference(self, node: Node, item: Item) -> None:
        if node.aggregation and (held := self.world.how_held(item)) and held not in node.aggregation:
            self._note(
                "error", "structure", "what is referred to is held where the profile does not allow it", item.at, "aggregation", node
            )
        if not node.targets:
            return
        types = frozenset(type for url in node.targets if (type := self.world.type_of(url)))
        found = self.world.resolved(item)
        told = found[0].type if found else self.world.target_type(item)
        if told and types and not is_one(told, types):
            self._note("error", "structure", "a reference points to a type that the profile does not allow here", item.at, "target", node)
        elif found:
            text = "what is referred to conforms to none of the profiles allowed here"
            self._judged(self._one_of(found[0], node.targets), text, "target", item, node)

    def _note(self, severity: str, code: str, text: str, at: str, rule: str, node: Node) -> None:
        self.found.append(Issue(severity, code, text, at, rule, self.profile.url, node.id))


#: Strength of a binding to how bad a code outside of it is.
_SEVERITY = {"required": "error", "extensible": "warning"}


def bound(binding: Binding, item: Item, world: World, profile: str = "", element: str = "") -> list[Issue]:
    """What a binding says of a coded element; codes of which nobody here knows are not judged (terminologies.html#strength)."""
    severity = _SEVERITY.get(binding.strength)
    if binding.largest and world.coded(item, binding.largest) is False:
        severity, text = "error", "the code is outside the largest set allowed here"
    elif severity is None or world.coded(item, binding.value_set) is not False:
        return []
    else:
        text = "the code is none of those that are required here" if severity == "error" else "the code is not of the value set asked for"
    return [Issue(severity, "code-invalid", text, item.at, "binding", profile, element)]
