"""``penstock load``: files of resources straight into the database, by several processes, without the HTTP door.

``files`` reads lines and documents, ``unpack`` makes resources of them, ``worker`` writes a batch, ``run`` deals batches out and counts.
Loading the same files again changes nothing, so a load that was cut off is simply started again.
"""

from penstock.workbench.load.run import Loaded, load_files
from penstock.workbench.load.worker import Refused

__all__ = ["Loaded", "Refused", "load_files"]
