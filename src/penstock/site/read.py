"""Reading a site: file by file, so that what is wrong with one does not hide what is wrong with the next."""

from __future__ import annotations

import csv
import os
import tomllib
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import yaml

from penstock.convert import CodeRow, Row, read_codes, read_rows
from penstock.errors import Problem, Problems
from penstock.formats.fhir.validate.demands import Demand
from penstock.ingress import HTTP, MLLP
from penstock.site.given import Given, secrets_in
from penstock.site.model import Channel, Overlay, Site
from penstock.site.parts import channel, check_zone, client, demand, partner, webhook

#: Folders of a site to the ending of their files. Any other file that looks like configuration is one that nobody reads.
FOLDERS = {"interfaces": ".yaml", "clients": ".yaml", "demands": ".yaml", "partners": ".yaml", "subscriptions": ".yaml", "maps": ".csv"}
_CONFIGURATION = frozenset({".yaml", ".yml", ".toml", ".csv"})

Part = TypeVar("Part")


def load_site(folder: Path | None, *, zone: str = "UTC", secret_of: Callable[[str], str] = lambda name: "") -> Site:
    """The Site in ``folder`` (None: the built-in one). ``secret_of`` gives a webhook's signing secret by its name.

    Raises Problems with everything that is wrong, ``at`` being ``file: key``.
    """
    check_zone(zone)
    if folder is None:
        return Site(zone=zone, channels=_built_in(zone))
    if not folder.is_dir():
        raise Problem("not-found", "the site folder does not exist")
    reader = _Reader(folder)
    site = reader.read(zone, secret_of)
    if reader.problems:
        raise Problems(reader.problems)
    return site


def _built_in(zone: str) -> tuple[Channel, ...]:
    return tuple(Channel(replace(interface, zone=zone)) for interface in (MLLP, HTTP))


class _Reader:
    """Collects the problems of all files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.problems: list[Problem] = []

    def read(self, zone: str, secret_of: Callable[[str], str]) -> Site:
        name, zone = self._top(zone)
        channels = self._each("interfaces", lambda given: channel(given, zone), lambda one: one.name)
        clients = self._each("clients", client, lambda one: one.id)
        webhooks = self._each("subscriptions", partial(webhook, secret_of=secret_of), lambda one: one.name)
        partners = self._each("partners", partial(partner, environment=os.environ), lambda one: one.name)
        demands = self._each("demands", demand, lambda one: one.name)
        self._sources_exist(demands, {*channels, *clients, *(one.name for one in _built_in(zone))})
        self._same_listener(channels)
        overlays = self._overlays(channels)
        self._strangers()
        return Site(
            name=name,
            zone=zone,
            channels=tuple(({one.name: one for one in _built_in(zone)} | channels).values()),
            clients=clients,
            webhooks=tuple(webhooks.values()),
            partners=tuple(partners.values()),
            demands=tuple(demands.values()),
            overlays=overlays,
        )

    def _top(self, zone: str) -> tuple[str, str]:
        """``site.toml``, which may be missing."""
        path = self._folder / "site.toml"
        found = self._try(path, lambda path: tomllib.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
        given = Given(found or {})
        told = given.text("name", "penstock"), given.text("zone", zone, check=check_zone)
        given.end()
        self._note(path, secrets_in(found) or given.problems)
        return told

    def _each(self, name: str, parse: Callable[[Given], Part], key: Callable[[Part], Any]) -> dict[Any, Part]:
        """The parts that the files of a folder describe, by what names each."""
        found: dict[Any, Part] = {}
        for path in self._files(name):
            part = self._try(path, lambda path: self._part(path, parse))
            if part is None:
                continue
            if key(part) in found:
                self._note(path, [Problem("duplicate", "another file has this name too")])
            found[key(part)] = part
        return found

    def _part(self, path: Path, parse: Callable[[Given], Part]) -> Part | None:
        keys = _yaml(path)
        if keys is None:
            return None
        secret = secrets_in(keys)
        if secret:
            self._note(path, secret)
            return None
        given = Given(keys)
        part = parse(given)
        given.end()
        self._note(path, given.problems)
        return None if given.problems else part

    def _files(self, name: str) -> Iterator[Path]:
        return iter(sorted((self._folder / name).glob(f"[!.]*{FOLDERS[name]}")))

    def _overlays(self, channels: Mapping[Any, Channel]) -> dict[str, Overlay]:
        """``maps/*.csv`` for every interface, ``maps/NAME/*.csv`` for those that choose it."""
        home = self._folder / "maps"
        named = {path.name: path for path in sorted(home.glob("[!.]*")) if path.is_dir()}
        found = {"": self._overlay(home), **{name: self._overlay(path) for name, path in named.items()}}
        chosen = {name for one in channels.values() for name in one.maps}
        for one in channels.values():
            for name in one.maps:
                if name not in named:
                    self.problems.append(
                        Problem("not-found", "there is no folder of this name in maps", at=f"interfaces: {one.name}: maps")
                    )
        for name in sorted(named.keys() - chosen):
            self._note(named[name], [Problem("invalid", "no interface chooses these maps")])
        return found

    def _overlay(self, folder: Path) -> Overlay:
        found = Overlay()
        for path in sorted(folder.glob("[!.]*.csv")):
            found = found.under(self._try(path, _map) or Overlay())
        return found

    def _sources_exist(self, demands: Mapping[Any, Demand], known: set[str]) -> None:
        for one in demands.values():
            if one.sources - known:
                text = "the site has no client or interface of this name"
                self.problems.append(Problem("not-found", text, at=f"demands: {one.name}: sources"))

    def _same_listener(self, channels: Mapping[Any, Channel]) -> None:
        taken: set[str] = set()
        for one in channels.values():
            if one.listen in taken and not one.listen.endswith(":0"):
                self.problems.append(Problem("duplicate", "two interfaces listen at one address", at=f"interfaces: {one.name}"))
            taken.update([one.listen] if one.listen else [])

    def _strangers(self) -> None:
        """Files that look like configuration and that nobody reads: a slip of the pen would go unnoticed for months."""
        for path in sorted([*self._folder.glob("[!.]*"), *self._folder.glob("[!.]*/[!.]*"), *self._folder.glob("maps/[!.]*/[!.]*")]):
            folder = path.relative_to(self._folder).parts[0]
            known = path.name == "site.toml" if path.parent == self._folder else path.suffix == FOLDERS.get(folder)
            if path.is_file() and path.suffix in _CONFIGURATION and not known and folder != "tests":
                self._note(path, [Problem("invalid", "nothing reads a file of this name here")])

    def _try(self, path: Path, parse: Callable[[Path], Part]) -> Part | None:
        try:
            return parse(path)
        except Problem as problem:
            self._note(path, [problem])
        except (ValueError, yaml.YAMLError, OSError, csv.Error):
            self._note(path, [Problem("invalid", "this file cannot be read as what it should be")])
        return None

    def _note(self, path: Path, problems: list[Problem]) -> None:
        where = path.relative_to(self._folder).as_posix()
        self.problems += [Problem(one.code, one.text, at=f"{where}: {one.at}" if one.at else where) for one in problems]


class _Strict(yaml.SafeLoader):
    """YAML as usual, but a key that is written twice is a mistake and not the last one's victory."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        if len(set(keys)) < len(keys):
            raise Problem("invalid", "a key is written twice")
        return super().construct_mapping(node, deep)


def _yaml(path: Path) -> dict[str, Any] | None:
    """The keys of a file; None where everything in it is commented out."""
    given = yaml.load(path.read_text(encoding="utf-8"), Loader=_Strict)  # noqa: S506 # it is a SafeLoader
    if given is not None and not isinstance(given, dict):
        raise Problem("invalid", "a file of the site is a mapping of keys")
    return given


def _map(path: Path) -> Overlay:
    """Mapping rows, or a code table: the first line says which."""
    text = path.read_text(encoding="utf-8-sig")
    header = set(next(csv.reader(text.splitlines()), []))
    if "rule" in header and header <= {*Row._fields, "owner"}:
        return Overlay(rows=tuple(read_rows(text)))
    if {"table", "code"} <= header <= set(CodeRow._fields):
        return Overlay(codes=tuple(read_codes(text)))
    raise Problem("invalid", "the first line of a map names its columns: rule, source, type, … or table, code, target, …")
