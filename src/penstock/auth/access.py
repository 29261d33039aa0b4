"""An :class:`Access`: on whose behalf, and with which rights, a resource is read or written (invariant 7).

Every read and write of the store takes one, without a default. Scopes follow SMART App Launch 2.2, section 3
(``system/Observation.rs``) and its v1 spelling (``system/Observation.read``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from penstock.errors import Problem

#: FHIR interaction to the letter of the scope that allows it (SMART 2.2: c r u d s).
LETTERS: dict[str, str] = {
    "create": "c",
    "read": "r",
    "vread": "r",
    "history": "r",
    "update": "u",
    "patch": "u",
    "delete": "d",
    "search": "s",
}

_V1 = {"read": "rs", "write": "cud", "*": "cruds"}
_SCOPE = re.compile(r"(system|user|patient)/(\*|[A-Z][A-Za-z]+)\.(read|write|\*|c?r?u?d?s?)$")


@dataclass(frozen=True)
class Scope:
    """One granted scope: the ``level`` (system, user, patient), a resource ``type`` or ``*``, and letters out of ``cruds``."""

    level: str
    type: str
    letters: str


@dataclass(frozen=True)
class Access:
    """Who asks, why, and what they may. ``admin`` holds operations scopes such as ``admin/trace.r`` and ``admin/dead.u``."""

    client: str
    scopes: tuple[Scope, ...]
    purpose: str = "TREAT"
    tenant: str = "main"
    patient: str | None = None
    admin: frozenset[str] = field(default_factory=frozenset)
    #: What :meth:`granted` has answered: each write asks, and scopes are slow to hash.
    _granted: dict[tuple[str, str], str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def permits(self, interaction: str, type_: str) -> bool:
        """Whether this access allows a FHIR interaction (a key of :data:`LETTERS`) on a resource type (``*`` asks for all types)."""
        return _permits(self.scopes, LETTERS[interaction], type_)

    def require(self, interaction: str, type_: str) -> None:
        """Raise ``forbidden`` unless :meth:`permits`."""
        if not self.permits(interaction, type_):
            raise Problem("forbidden", "this token does not allow that interaction on that resource type")

    def granted(self, interaction: str, type_: str) -> str:
        """The scope that permits it, as a token spells it in SMART v2; "" where none does."""
        found = self._granted.get((interaction, type_))
        if found is None:
            found = self._granted[interaction, type_] = _granting(self.scopes, LETTERS[interaction], type_)
        return found

    def operates(self, scope: str) -> bool:
        """Whether this access holds an operations scope such as ``admin/trace.r``, itself or through a wildcard (``admin/*.*``)."""
        return _operates(self.admin, scope)


@lru_cache(maxsize=4096)
def _permits(scopes: tuple[Scope, ...], letter: str, type_: str) -> bool:
    return any(letter in s.letters and s.type in ("*", type_) for s in scopes)


def _granting(scopes: tuple[Scope, ...], letter: str, type_: str) -> str:
    return next((f"{s.level}/{s.type}.{s.letters}" for s in scopes if letter in s.letters and s.type in ("*", type_)), "")


@lru_cache(maxsize=4096)
def _operates(held: frozenset[str], wanted: str) -> bool:
    area, _, rest = wanted.partition("/")
    name, _, letters = rest.partition(".")
    covered = set()
    for word in held:
        own_area, _, own = word.partition("/")
        own_name, _, own_letters = own.partition(".")
        if own_area == area and own_name in ("*", name):
            covered |= set("crud*" if own_letters == "*" else own_letters)
    return bool(letters) and set(letters) <= covered


def parse_scope(text: str) -> Access:
    """The rights in an OAuth ``scope`` string, as an Access without a client; words that are no scope of ours raise ``invalid``."""
    scopes: list[Scope] = []
    admin: set[str] = set()
    for word in text.split():
        found = _SCOPE.match(word)
        if found:
            level, type_, verb = found.groups()
            letters = _V1.get(verb, verb)
            if not letters:
                raise Problem("invalid", "a scope has no interaction letters")
            scopes.append(Scope(level, type_, letters))
        elif re.fullmatch(r"(admin|events|ingest)/(\*|[a-z][a-z0-9]*)\.(\*|c?r?u?d?)(?<!\.)", word):
            admin.add(word)
        else:
            raise Problem("invalid", "a scope is not one of level/Type.cruds, admin/…, events/… or ingest/…")
    return Access(client="", scopes=tuple(scopes), admin=frozenset(admin))


#: Penstock itself, when it stores what a message became. It is not a token that anybody can hold.
SYSTEM = Access(client="penstock", scopes=(Scope("system", "*", "cruds"),), admin=frozenset({"admin/*.*"}))
