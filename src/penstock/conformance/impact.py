"""What loading a package would change: pure, and told before anything is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from penstock.conformance.definition import Definition
from penstock.conformance.package import BUILT_IN, Content, Package

#: What becomes of a definition: nobody had its URL; another version of it is known; the very same is known; or the same URL and version
#: is known with other content (``replaced``: the later one is in force; ``hidden``: it is R4's own or the site's, which stay in force).
CHANGES = ("added", "new-version", "same", "replaced", "hidden")


class Known(NamedTuple):
    """A definition that is there already. ``origin`` is ``r4``, ``site``, or a package as ``name|version``."""

    definition: Definition
    origin: str
    digest: bytes


class Item(NamedTuple):
    """One line of the report; ``by`` is where the other definition comes from."""

    change: str
    definition: Definition
    kind: str
    by: str


class Dependency(NamedTuple):
    """A package that is needed, and whether it is there: ``present``, ``built-in``, ``other-version`` or ``missing``."""

    name: str
    version: str
    state: str


class Impact(NamedTuple):
    """The report."""

    items: list[Item]
    dependencies: list[Dependency]

    def told(self) -> dict[str, Any]:
        """The report as JSON: counts first, then everything that is not simply new."""
        counts: dict[str, Counter[str]] = {}
        for item in self.items:
            counts.setdefault(item.change, Counter())[item.kind] += 1
        return {
            "changes": {change: dict(sorted(counts[change].items())) for change in CHANGES if change in counts},
            "conflicts": [
                {"change": item.change, "type": item.definition.type, "canonical": item.definition.canonical, "by": item.by}
                for item in self.items
                if item.change in ("replaced", "hidden")
            ],
            "dependencies": [each._asdict() for each in self.dependencies],
        }


def impact(package: Package, known: Callable[[str, str], Sequence[Known]], loaded: Iterable[tuple[str, str]]) -> Impact:
    """What ``package`` changes: ``known`` are the definitions of a type and URL, ``loaded`` names and versions of packages."""
    items = [_item(each, known(each.definition.type, each.definition.url)) for each in package.definitions]
    return Impact(sorted(items, key=lambda item: (CHANGES.index(item.change), item.definition)), dependencies(package.dependencies, loaded))


def _item(content: Content, known: Sequence[Known]) -> Item:
    definition, kind = content.definition, content.kind
    others = [each for each in known if each.definition.version == definition.version and each.digest != content.digest]
    strong = next((each for each in others if each.origin in ("r4", "site")), None)
    if strong is not None:
        return Item("hidden", definition, kind, strong.origin)
    if others:
        return Item("replaced", definition, kind, others[-1].origin)
    if not known:
        return Item("added", definition, kind, "")
    same = any(each.definition.version == definition.version for each in known)
    return Item("same" if same else "new-version", definition, kind, known[-1].origin)


def dependencies(needed: Mapping[str, str], loaded: Iterable[tuple[str, str]]) -> list[Dependency]:
    """The state of each dependency; a version may end in ``x`` (any patch)."""
    there: dict[str, list[str]] = {}
    for name, version in loaded:
        there.setdefault(name, []).append(version)
    return [Dependency(name, version, _state(name, version, there)) for name, version in needed.items()]


def _state(name: str, version: str, there: Mapping[str, list[str]]) -> str:
    if name in BUILT_IN:
        return "built-in"
    if name not in there:
        return "missing"
    wanted = version.removesuffix("x")
    return "present" if any(each == version or (wanted != version and each.startswith(wanted)) for each in there[name]) else "other-version"
