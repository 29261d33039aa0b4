"""Code systems, value sets and concept maps: what a code means, and whether it is one of a set. Pure: definitions are given.

:class:`Terminology` answers from a ``Canonicals`` and from what R4 publishes itself. It does not store, and does not know HTTP.
Verbs: ``member``, ``subsumed``, ``codes``, ``expand``.
"""

from penstock.terminology.terminology import Terminology

__all__ = ["Terminology"]
