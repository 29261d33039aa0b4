"""PostgreSQL: connections, transactions, named SQL, migrations, and the embedded server. The only importer of the driver.

It knows nothing of messages or resources. Verbs: ``connect``, ``transaction``, ``migrate``, ``named_sql``; ``Embedded``
starts a server of our own where no ``--database`` is given.
"""

from penstock.db.migrate import migrate
from penstock.db.pool import Database, Tx, connect
from penstock.db.sql import named_sql

__all__ = ["Database", "Tx", "connect", "migrate", "named_sql"]
