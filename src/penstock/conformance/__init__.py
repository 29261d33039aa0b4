"""The definitions in force beyond R4 itself: implementation-guide packages, and what the site stores.

:class:`Registry` answers :class:`penstock.formats.fhir.canonical.Canonicals`; a :class:`Follower` keeps it up to date in every process.
:class:`Packages` says what a package would change, loads and unloads it.
It is not a terminology and does not validate: those are given a Registry.
"""

from penstock.conformance.definition import KINDS, Definition, definition_of
from penstock.conformance.follow import Follower, notice
from penstock.conformance.packages import Packages
from penstock.conformance.registry import Registry

__all__ = ["KINDS", "Definition", "Follower", "Packages", "Registry", "definition_of", "notice"]
