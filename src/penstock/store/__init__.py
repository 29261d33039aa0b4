"""The FHIR repository on PostgreSQL: one compact row per current resource, append-only history, compiled search.

It knows neither HTTP nor messages nor who listens; whoever builds a :class:`Store` hands it ``announce``, which appends the events
of a change in the transaction of the change. Verbs: ``read``, ``read_many``, ``vread``, ``write`` (create, update, delete),
``history``, ``search``; :class:`Writer` commits concurrent single writes as one.
"""

from penstock.store.change import Cause, Change, History, Stored, Window, Written
from penstock.store.search.page import Entry, Page
from penstock.store.store import Store
from penstock.store.writer import Writer

__all__ = ["Cause", "Change", "Entry", "History", "Page", "Store", "Stored", "Window", "Writer", "Written"]
