"""The keys of one file of the site: each is taken as what it must be, and whatever is wrong is noted while reading goes on."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from penstock.errors import Problem

#: Raises a Problem when a text is not what its key needs.
Check = Callable[[str], object]

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SECRET_KEY = re.compile(r"(secret|password|passwd|passphrase|token|private_key|api_?key|credentials?)s?$", re.IGNORECASE)
_SECRET_TEXT = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bwhsec_[A-Za-z0-9+/=]{16}|://[^/@\s]*:[^/@\s]*@")


class Given:
    """The keys that a file gives. ``end`` says which of them nobody took."""

    def __init__(self, keys: Mapping[str, Any]) -> None:
        self._keys = {str(name): value for name, value in keys.items() if value is not None}
        self._taken: set[str] = set()
        self.problems: list[Problem] = []

    def name(self) -> str:
        """The key ``name``, which every part of a site has."""
        return self.text("name", check=_named) or self._missing("name")

    def text(self, key: str, default: str = "", *, check: Check | None = None, needed: bool = False) -> str:
        value = self._take(key, str, "this key is a text")
        if value is None:
            return self._missing(key) if needed else default
        return str(value) if self._good(value, check, key) else default

    def choice(self, key: str, allowed: Collection[str], default: str) -> str:
        value = self._take(key, str, "this key is a text")
        if value is not None and value not in allowed:
            self._note("value", "this key has another set of values", key)
        return value if value in allowed else default

    def number(self, key: str, default: int, *, low: int, high: int) -> int:
        value = self._take(key, int, "this key is a whole number")
        if value is not None and not (type(value) is int and low <= value <= high):
            self._note("value", "this number is too small or too large here", key)
            return default
        return default if value is None else int(value)

    def texts(self, key: str, *, check: Check | None = None) -> tuple[str, ...]:
        """A list of texts."""
        found = []
        for place, value in enumerate(self._take(key, list, "this key is a list of texts") or ()):
            at = f"{key}[{place}]"
            if not isinstance(value, str):
                self._note("value", "this is a text (write it in quotes)", at)
            elif self._good(value, check, at):
                found.append(value)
        return tuple(found)

    def mapping(self, key: str, *, check: Check | None = None) -> dict[str, str]:
        """Texts by name."""
        found = {}
        for name, value in (self._take(key, dict, "this key is a mapping of texts") or {}).items():
            at = f"{key}.{name}"
            if not isinstance(value, str):
                self._note("value", "this is a text (write it in quotes)", at)
            elif self._good(value, check, at):
                found[str(name)] = value
        return found

    def end(self) -> None:
        """Note every key that nobody took."""
        for key in self._keys.keys() - self._taken:
            self._note("invalid", "a key that is not known here", key)

    def rest(self) -> dict[str, Any]:
        """Every key, for a part that reads its keys itself."""
        self._taken.update(self._keys)
        return self._keys

    def _take(self, key: str, kind: type, text: str) -> Any:
        self._taken.add(key)
        value = self._keys.get(key)
        if value is not None and not isinstance(value, kind):
            self._note("value", text, key)
            return None
        return value

    def _missing(self, key: str) -> str:
        if not any(problem.at == key for problem in self.problems):
            self._note("required", "this key is needed", key)
        return ""

    def _good(self, value: str, check: Check | None, at: str) -> bool:
        try:
            if check is not None:
                check(value)
        except Problem as problem:
            self._note(problem.code, problem.text, at)
            return False
        return True

    def _note(self, code: str, text: str, at: str) -> None:
        self.problems.append(Problem(code, text, at=at))


def secrets_in(value: Any, at: str = "") -> list[Problem]:
    """A Problem for each place of a file that holds a secret. A hash or the name of something kept elsewhere may stand there."""
    if isinstance(value, Mapping):
        found = []
        for key, inner in value.items():
            path = f"{at}.{key}".lstrip(".")
            is_secret = _SECRET_KEY.search(str(key)) and not isinstance(inner, Mapping | list | None)
            found += [_secret(path)] if is_secret else secrets_in(inner, path)
        return found
    if isinstance(value, list):
        return [problem for place, inner in enumerate(value) for problem in secrets_in(inner, f"{at}[{place}]")]
    return [_secret(at)] if isinstance(value, str) and _SECRET_TEXT.search(value) else []


def _secret(at: str) -> Problem:
    return Problem("invalid", "a secret must not be written into the site", at=at)


def _named(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Problem("invalid", "a name is made of small letters, digits and hyphens")
