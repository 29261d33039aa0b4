"""The inbox: what was accepted. Durable, deduplicated for ever, processed in lanes, counted.

It knows nothing of what a message means. Verbs: ``accept`` (or ``Receiver.submit``, which does it for many at once), ``claim``,
``done``, ``postpone``, ``bury``, ``replay``, ``release``; ``counts`` and ``find`` look.
"""

from penstock.inbox.accept import accept
from penstock.inbox.look import Count, Lane, Row, bodies, counts, find, newest, outcome, rows, stopped_lanes
from penstock.inbox.message import Accepted, Arrival, Received, digest, lane_of
from penstock.inbox.receiver import Receiver
from penstock.inbox.repair import preview, release, replay
from penstock.inbox.tend import tend
from penstock.inbox.work import bury, claim, done, mark, postpone

__all__ = [
    "Accepted", "Arrival", "Count", "Lane", "Received", "Receiver", "Row",
    "accept", "bodies", "bury", "claim", "counts", "digest", "done", "find", "lane_of", "mark", "newest", "outcome", "postpone", "preview",
    "release", "replay", "rows", "stopped_lanes", "tend",
]  # fmt: skip
