"""The event log: what changed, in the order in which it changed, written in the transaction of the change itself.

It is not a broker and it delivers nothing: :mod:`penstock.delivery` and the feed read it. Verbs: ``append``, ``follow``;
:class:`Horizon` says how far one may read, :mod:`penstock.events.cloudevents` renders, :class:`Feed` serves readers.

An event holds no patient data: ids, versions, times and a hash. Readers never use ``seq > last`` (invariant 6): numbers are
handed out before the commit, so number 11 can be visible while number 10 is still being written.
"""

from penstock.events.feed import Feed
from penstock.events.horizon import Horizon
from penstock.events.log import Cause, Event, Written, append, follow, follow_types

__all__ = ["Cause", "Event", "Feed", "Horizon", "Written", "append", "follow", "follow_types"]
