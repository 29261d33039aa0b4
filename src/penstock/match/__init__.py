"""Patient identity: which stored patient is the one that a message speaks of. Verb: ``Identities.load``, then ``apply``.

Deterministic for now: a strong identifier (one with a system) that is already known decides. Resources of a message are told to
speak of the patient that was found, and a patient that was merged away leads to its survivor.
"""

from penstock.match.identities import Identities

__all__ = ["Identities"]
