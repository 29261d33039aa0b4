"""One validation: what it has found, where it is, and what it may still cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from penstock.errors import Problem
from penstock.formats.fhir.path import Env, program
from penstock.formats.fhir.validate import coded, extensions, invariants
from penstock.formats.fhir.validate.base import check
from penstock.formats.fhir.validate.extensions import Stand
from penstock.formats.fhir.validate.issue import Issue
from penstock.formats.fhir.validate.items import Item, members, whole
from penstock.formats.fhir.validate.policy import Policy
from penstock.formats.fhir.validate.profile.apply import Walk
from penstock.formats.fhir.validate.profile.elements import is_type
from penstock.formats.fhir.validate.profile.slices import is_one, type_of
from penstock.formats.fhir.validate.references import Place, type_named
from penstock.formats.fhir.validate.special import SPECIAL
from penstock.formats.fhir.validate.survey import Point, points

if TYPE_CHECKING:
    from penstock.formats.fhir.validate.validator import Validator

Resource = dict[str, Any]

#: Elements that one validation visits. A Bundle of 5,000 resources has about half a million.
MOST_STEPS = 2_000_000


class Run:
    """Knows the validator, the resource, and the place in it (``profile.apply.World``)."""

    def __init__(
        self,
        validator: Validator,
        resource: Resource,
        policy: Policy,
        now: datetime | None,
        resolve: Callable[[str], Resource | None] | None = None,
    ) -> None:
        self._validator = validator
        self._resource = resource
        self.policy = policy
        self._resolve = resolve or validator.resolve
        self.now = now
        self.place = Place.of(resource)
        self._found: list[Issue] = []
        self._verdicts: dict[tuple[str, int], bool] = {}
        self._left = MOST_STEPS

    def everything(self, profiles: tuple[str, ...]) -> list[Issue]:
        """All issues beyond those of structure."""
        item = whole(self._resource)
        self._invariants(item)
        self._resource_at(item, profiles)
        return self._found

    def profiles(self, urls: tuple[str, ...]) -> list[Issue]:
        """What profiles say, and nothing else."""
        item = whole(self._resource)
        for url in urls:
            self._follow(item, url, asked=True)
        return self._found

    def _invariants(self, item: Item) -> None:
        for broken in invariants.visit(self._resource, self._env, warnings=True):
            severity = "error" if broken.severity == "error" else "warning"
            self._found.append(Issue(severity, "invariant", invariants.words(broken), item.at + broken.at, broken.key))

    def _resource_at(self, item: Item, profiles: tuple[str, ...] = ()) -> None:
        """A resource, alone or inside another: the profiles it claims, and all that it has."""
        with self._in(item):
            self._survey(item, None, item.type)
            for url in profiles:
                self._follow(item, url, asked=True)
            for url in (item.value.get("meta") or {}).get("profile") or ():
                if url not in profiles:
                    self._follow(item, url, asked=False)
            if item.type in SPECIAL:
                self._found += SPECIAL[item.type](item, self)

    def _follow(self, item: Item, url: str, *, asked: bool) -> None:
        """A profile that the caller asks for, or that the resource claims; not to know the latter is a warning only."""
        issues = self.apply(item, url)
        if issues is not None:
            self._found += issues
        elif asked:
            self._found.append(Issue("error", "not-found", "a profile to validate against is not known here", item.at, "profile", url))
        else:
            text = "a profile that the resource claims is not known here"
            self._found.append(Issue("warning", "not-found", text, f"{item.at}.meta.profile", "profile"))

    def _survey(self, item: Item, owner: Item | None, path: str) -> None:
        """What R4 asks of single elements beyond structure and invariants. ``path`` is the item's within its resource."""
        self.spend()
        if item.value.__class__ is not dict:
            for extension in members(item, "extension"):
                self._extension(extension, Stand(item, owner, path), is_modifier=False)
                self._survey(extension, item, f"{path}.extension")
            return
        for point in points(item.type, tuple(item.value), bool(self.policy.markup)):
            for child in point.read(item):
                self._at(point, child, Stand(item, owner, path))

    def _at(self, point: Point, child: Item, stand: Stand) -> None:
        if point.element.type == "Resource":
            self._resource_at(child)
            return
        if child.value is not None:
            for ask in point.asks:
                self._found += ask(child, self)
        if point.element.type == "Extension":
            self._extension(child, stand, is_modifier=point.step == "modifierExtension")
        if child.value.__class__ is dict or child.beside is not None:
            self._survey(child, stand.holder, f"{stand.path}.{point.step}")

    def _extension(self, extension: Item, stand: Stand, *, is_modifier: bool) -> None:
        url = extension.value.get("url")
        if not isinstance(url, str) or (stand.holder.type == "Extension" and ":" not in url):
            return
        if "|" in url:
            self._found.append(Issue("error", "value", "the URL of an extension has no version", f"{extension.at}.url", "url"))
        try:
            profile = self._validator.profile(url)
        except Problem as problem:
            self._found.append(Issue("warning", problem.code, problem.text, extension.at, "extension", url))
            return
        if profile is None or profile.type != "Extension":
            self._unknown(extension, url)
            return
        self._found += extensions.misplaced(profile, extension, stand, self)
        self._found += extensions.wrong_kind(profile, extension, is_modifier)
        self._found += self.apply(extension, url) or ()
        self._found += extensions.undefined_parts(profile, extension, self)

    def _unknown(self, extension: Item, url: str) -> None:
        if not url.startswith(self.policy.open_domains):
            text = "the definition of an extension is not known here"
            self._found.append(Issue(self.policy.unknown_extension, "not-found", text, extension.at, "extension"))

    # What checks ask (profile.apply.World)

    def kinds_of(self, url: str) -> frozenset[str]:
        return self._validator.kinds_of(url)

    def definition(self, url: str) -> Resource | None:
        return self._validator.definition(url)

    def named(self, type: str, url: str) -> Resource | None:
        """What a canonical of a resource type names: contained, in force here, or found as a reference is. It has the form of its type."""
        held = self.place.contained(url[1:]) if url.startswith("#") else None
        found = held or self._validator.canonicals.find(type, url) or self._resolve(url)
        if found is None or found.get("resourceType") != type or any(issue.code == "structure" for issue in check(found)):
            return None
        return found

    def apply(self, item: Item, url: str, /) -> list[Issue] | None:
        """What a profile says of an item; None when the profile is not known."""
        if is_type(url):
            return [] if is_one(item.type, frozenset((str(type_of(url, self._validator.definition)),))) else [_other_type(item, url)]
        try:
            profile = self._validator.profile(url)
        except Problem as problem:
            return [Issue("warning", problem.code, problem.text, item.at, "profile", url)]
        if profile is None:
            return None
        key = (url, id(item.value))
        if key in self._verdicts:
            return []
        self._verdicts[key] = True
        walk = Walk(profile, self, [])
        with self._in(item):
            walk.root(item)
        self._verdicts[key] = not any(issue.severity == "error" for issue in walk.found)
        return walk.found

    def conforms(self, item: Item, url: str) -> bool | None:
        key = (url, id(item.value))
        if key not in self._verdicts:
            issues = self.apply(item, url)
            if issues is None:
                return None
            return not any(issue.severity == "error" for issue in issues)
        return self._verdicts[key]

    def type_of(self, url: str) -> str | None:
        return type_of(url, self._validator.definition)

    def coded(self, item: Item, value_set: str) -> bool | None:
        return coded.is_member(item, value_set, self._validator.terminology.member)

    def shows(self, item: Item) -> bool | None:
        """Whether the display of a coding is one of its code, in the language of the resource."""
        return self._validator.terminology.shows(item.value, self.place.resource.get("language"))

    def resolved(self, item: Item) -> list[Item]:
        """The resource that a reference leads to, as an item of its own."""
        text = item.value if isinstance(item.value, str) else (item.value or {}).get("reference")
        if not isinstance(text, str):
            return []
        found = self.place.matches(text) or [one for one in [self._resolve(text)] if one is not None]
        return [whole(found[0])] if found else []

    def target_type(self, item: Item) -> str:
        return type_named(item.value) if isinstance(item.value, dict) else ""

    def how_held(self, item: Item) -> str:
        """As ``aggregation`` says it: contained, bundled or referenced; nothing where a reference has no literal form."""
        text = item.value.get("reference")
        if not isinstance(text, str):
            return ""
        if text.startswith("#"):
            return "contained"
        return "bundled" if self.place.matches(text) else "referenced"

    def holds(self, expression: str, item: Item) -> bool | None:
        """Whether a rule holds for an item; a rule that cannot be evaluated says nothing."""
        try:
            return program(expression, item.type).true(item.value, self._env)
        except Problem:
            return None

    def selects(self, expression: str, item: Item) -> bool:
        """Whether an expression about the whole resource has the item in its result."""
        try:
            found = program(expression, self.place.resource["resourceType"])(self.place.resource, self._env)
        except Problem:
            return False
        return any(each is item.value or (not isinstance(each, dict) and each == item.value) for each in found)

    def spend(self, steps: int = 1) -> None:
        self._left -= steps
        if self._left < 0:
            raise Problem("too-costly", "the resource takes too much work to validate")

    # Where the walk is

    @contextmanager
    def _in(self, item: Item) -> Iterator[None]:
        """While a resource is looked at, it is the place that references and rules begin from."""
        if "resourceType" not in item.value or item.value is self.place.resource:
            yield
            return
        before, self.place = self.place, self.place.inside(item.value)
        try:
            yield
        finally:
            self.place = before

    @property
    def _env(self) -> Env:
        return Env(
            resource=self.place.resource,
            root=self.place.root,
            resolve=self._reach,
            member_of=self._member,
            conforms_to=self._conforms,
            now=self.now,
        )

    def _reach(self, reference: str) -> Resource | None:
        found = self.place.matches(reference)
        return found[0] if found else self._resolve(reference)

    def _member(self, value: Any, value_set: str) -> bool | None:
        type = "CodeableConcept" if isinstance(value, dict) and "coding" in value else "Coding" if isinstance(value, dict) else "code"
        return coded.is_member(Item(value, None, type, ""), value_set, self._validator.terminology.member)

    def _conforms(self, value: Any, url: str) -> bool | None:
        return self.conforms(Item(value, None, str(self.type_of(url)), ""), url)


def _other_type(item: Item, url: str) -> Issue:
    return Issue("error", "structure", "the element is of another type than it must be", item.at, "type", url)
