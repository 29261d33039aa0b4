"""What a stored resource becomes when a message says something about it: pure, and the same for every order of arrival.

A record is a resource and its marks: when each of its elements was last said. ``fold`` puts what one message says into a record; a
statement that is older than what stands there changes nothing. ``merge.csv`` says how each element is merged, ``events.csv`` what each
trigger event decides and which one it cancels. Verbs: ``fold``, ``merge`` (without marks: the newest wins), ``moment`` (when a
message was said), ``statements`` (what it said).
"""

from penstock.convert.state.fold import Record, Statement, fold, merge
from penstock.convert.state.marks import Mark, Marks, dump, load
from penstock.convert.state.moment import Moment, moment
from penstock.convert.state.statements import statements

__all__ = ["Mark", "Marks", "Moment", "Record", "Statement", "dump", "fold", "load", "merge", "moment", "statements"]
