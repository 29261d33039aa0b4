"""A site: the folder of text that says which interfaces, clients and webhooks there are, and how maps differ here.

``site.toml`` (name, zone), ``interfaces/*.yaml``, ``clients/*.yaml``, ``subscriptions/*.yaml`` and ``maps/*.csv``. It is read whole and
checked whole: all problems are reported at once, each with the file and key, and a secret written into it refuses to load.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from penstock.auth.clients import Client, read_client
from penstock.convert import Row, read_rows
from penstock.delivery import Webhook
from penstock.errors import Problem, Problems
from penstock.ingress import HTTP, MLLP, Interface

_SECRET = re.compile(r"(secret|password|passphrase|token|private_key|api_key)s?$", re.IGNORECASE)
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SETS = ("applications", "facilities", "processing_ids", "filters")


@dataclass(frozen=True)
class Channel:
    """An interface and what its messages need to become FHIR. ``listen`` is the HOST:PORT of a listener of its own."""

    interface: Interface
    listen: str | None = None
    filters: frozenset[str] = frozenset()
    authorities: Mapping[str, str] = field(default_factory=dict)
    code_systems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Site:
    """Everything a site says. Without a folder: the two built-in interfaces and nobody else."""

    name: str = "penstock"
    zone: str = "UTC"
    channels: tuple[Channel, ...] = (Channel(MLLP), Channel(HTTP))
    clients: Mapping[str, Client] = field(default_factory=dict)
    webhooks: tuple[Webhook, ...] = ()
    overlay: tuple[Row, ...] = ()


def load_site(folder: Path | None, *, zone: str = "UTC", secret_of: Callable[[str], str] = lambda name: "") -> Site:
    """The Site in ``folder`` (None: the built-in one). ``secret_of`` gives a webhook's signing secret by its name.

    Raises Problems with everything that is wrong, ``at`` being ``file: key``.
    """
    if folder is None:
        return Site(zone=_zone(zone), channels=tuple(_with_zone(channel, zone) for channel in Site.channels))
    if not folder.is_dir():
        raise Problem("not-found", "the site folder does not exist")
    reader = _Reader(folder, secret_of)
    site = reader.read(zone)
    if reader.problems:
        raise Problems(reader.problems)
    return site


class _Reader:
    """Reads file by file; what is wrong with one file does not hide what is wrong with the next."""

    def __init__(self, folder: Path, secret_of: Callable[[str], str]) -> None:
        self._folder = folder
        self._secret_of = secret_of
        self.problems: list[Problem] = []

    def read(self, zone: str) -> Site:
        top = self._try(self._folder / "site.toml", self._top) or {}
        zone = str(top.get("zone", zone))
        channels = {channel.interface.name: channel for channel in (_with_zone(Channel(i), zone) for i in (MLLP, HTTP))}
        for channel in self._each("interfaces", lambda given: _channel(given, zone)):
            channels[channel.interface.name] = channel
        return Site(
            name=str(top.get("name", "penstock")),
            zone=zone,
            channels=tuple(channels.values()),
            clients={client.id: client for client in self._each("clients", read_client)},
            webhooks=tuple(self._each("subscriptions", lambda given: _webhook(given, self._secret_of))),
            overlay=tuple(row for rows in self._maps() for row in rows),
        )

    def _each(self, name: str, parse: Callable[[dict[str, Any]], Any]) -> Iterator[Any]:
        for path in sorted((self._folder / name).glob("*.yaml")):
            found = self._try(path, lambda path: parse(_yaml(path)))
            if found is not None:
                yield found

    def _maps(self) -> Iterator[list[Row]]:
        for path in sorted((self._folder / "maps").glob("*.csv")):
            yield self._try(path, lambda path: read_rows(path.read_text(encoding="utf-8"))) or []

    def _top(self, path: Path) -> dict[str, Any]:
        if not path.exists():
            return {}
        given = tomllib.loads(path.read_text(encoding="utf-8"))
        _only(given, {"name", "zone"})
        _zone(str(given.get("zone", "UTC")))
        return given

    def _try(self, path: Path, parse: Callable[[Path], Any]) -> Any:
        where = str(path.relative_to(self._folder))
        try:
            return parse(path)
        except Problem as problem:
            self.problems.append(Problem(problem.code, problem.text, at=f"{where}: {problem.at}".rstrip(": ")))
        except (ValueError, yaml.YAMLError, OSError):
            self.problems.append(Problem("invalid", "this file cannot be read as what it should be", at=where))
        return None


def _yaml(path: Path) -> dict[str, Any]:
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(given, dict):
        raise Problem("invalid", "a file of the site is a mapping of keys")
    _no_secrets(given, "")
    return given


def _no_secrets(value: Any, at: str) -> None:
    """Secrets are kept outside of what lives in git; a hash or a reference to a file may be written here."""
    if isinstance(value, dict):
        for key, inner in value.items():
            path = f"{at}.{key}".lstrip(".")
            if isinstance(inner, str) and _SECRET.search(str(key)):
                raise Problem("invalid", "a secret must not be written into the site", at=path)
            _no_secrets(inner, path)
    elif isinstance(value, list):
        for inner in value:
            _no_secrets(inner, at)


def _channel(given: dict[str, Any], zone: str) -> Channel:
    _only(given, {"name", "zone", "charset", "fallback", "ack", "unmappable", "listen", "authorities", "code_systems", *_SETS})
    sets: dict[str, Any] = {name: frozenset(map(str, given[name])) for name in _SETS if name in given}
    filters = sets.pop("filters", frozenset())
    plain: dict[str, Any] = {name: given[name] for name in ("charset", "fallback", "ack", "unmappable") if name in given}
    for name, allowed in (("ack", ("received", "processed")), ("unmappable", ("reject", "error", "accept"))):
        if plain.get(name, allowed[0]) not in allowed:
            raise Problem("value", "this key has another set of values", at=name)
    return Channel(
        Interface(name=_named(given), zone=_zone(str(given.get("zone", zone))), **plain, **sets),
        given.get("listen"),
        filters,
        dict(given.get("authorities", {})),
        dict(given.get("code_systems", {})),
    )


def _webhook(given: dict[str, Any], secret_of: Callable[[str], str]) -> Webhook:
    _only(given, {"name", "endpoint", "types", "payload", "mode", "batch", "concurrency"})
    if not isinstance(given.get("endpoint"), str):
        raise Problem("required", "a webhook needs an endpoint", at="endpoint")
    if given.get("payload", "none") not in ("none", "id-only", "full"):
        raise Problem("value", "a payload is none, id-only or full", at="payload")
    if given.get("mode", "single") not in ("single", "batch"):
        raise Problem("value", "a mode is single or batch", at="mode")
    name = _named(given)
    return Webhook(
        name=name,
        endpoint=given["endpoint"],
        secrets=(secret_of(name),),
        types=tuple(given.get("types", ())),
        payload=given.get("payload", "none"),
        batch=int(given.get("batch", 100)) if given.get("mode") == "batch" else 1,
        concurrency=int(given.get("concurrency", 16)),
    )


def _named(given: dict[str, Any]) -> str:
    name = given.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Problem("invalid", "a name is made of small letters, digits and hyphens", at="name")
    return name


def _only(given: dict[str, Any], known: set[str]) -> None:
    for key in given:
        if key not in known:
            raise Problem("invalid", "a key that is not known here", at=str(key))


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise Problem("value", "this is not an IANA time zone", at="zone") from error
    return name


def _with_zone(channel: Channel, zone: str) -> Channel:
    return replace(channel, interface=replace(channel.interface, zone=_zone(zone)))
