"""Codes that nobody knows yet: who sent them, how often, which messages wait for an answer, and taking those up again when there is one.

:func:`note` is called in the transaction that stores what a message became; a :class:`Steward` answers an operator and writes
concept maps; :class:`Upkeep` takes messages up again. What a code means is said by ConceptMap resources of the store and nowhere else.
"""

from penstock.stewardship.desk import Steward
from penstock.stewardship.tasks import Task, note
from penstock.stewardship.upkeep import CodesInForce, Upkeep

__all__ = ["CodesInForce", "Steward", "Task", "Upkeep", "note"]
