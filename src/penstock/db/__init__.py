"""PostgreSQL: connections, transactions, named SQL, migrations, and the embedded server. The only importer of the driver.

It knows nothing of messages or resources. Verbs: ``connect``, ``transaction``, ``migrate``, ``named_sql``; a ``Bell`` wakes workers in
other processes; ``Embedded`` starts a server of our own where no ``--database`` is given.
"""

from penstock.db.bell import Bell
from penstock.db.migrate import migrate
from penstock.db.pool import Database, Row, Tx, after_commit, connect
from penstock.db.sql import named_sql

__all__ = ["Bell", "Database", "Row", "Tx", "after_commit", "connect", "migrate", "named_sql"]
