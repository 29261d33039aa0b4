"""Patient identity: which stored patient is the one that a message speaks of, and which record speaks for one that ended.

Deterministic for now: a strong identifier (one with a system) that is already known decides. Resources of a message are told to
speak of the patient that was found; references to a record that ended in another one follow it. Verbs: ``Identities.load`` and
``names``, ``Survivors.learn`` and ``final``, ``redirected`` and ``restored``.
"""

from penstock.match.identities import Identities
from penstock.match.identity import rename, rename_parts
from penstock.match.redirect import Survivors, next_of, redirected, restored

__all__ = ["Identities", "Survivors", "next_of", "redirected", "rename", "rename_parts", "restored"]
