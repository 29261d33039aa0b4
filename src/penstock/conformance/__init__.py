"""The definitions in force beyond R4 itself: implementation-guide packages, and what the site stores.

:class:`Registry` answers :class:`penstock.formats.fhir.canonical.Canonicals`; a :class:`Follower` keeps it up to date in every process.
It is not a terminology and does not validate: those are given a Registry.
"""

from penstock.conformance.definition import KINDS, Definition, definition_of
from penstock.conformance.follow import Follower, notice
from penstock.conformance.registry import Registry

__all__ = ["KINDS", "Definition", "Follower", "Registry", "definition_of", "notice"]
