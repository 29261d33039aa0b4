"""Ingress: where messages come in. Each kind ends in ``inbox.submit``; none knows what happens to a message after that.

Verbs: ``take`` one message (:class:`Intake`), ``serve`` a port (:class:`Mllp`), ``ingest`` a body (:func:`ingest`).
"""

from penstock.ingress.http import Ingested, ingest
from penstock.ingress.intake import Intake, Taken
from penstock.ingress.interface import HTTP, MLLP, Interface
from penstock.ingress.metrics import Meters
from penstock.ingress.mllp import Mllp
from penstock.ingress.settled import Settling

#: Kind of ingress to what takes messages in that way. ``tests/contract/test_ingress.py`` runs for each.
INGRESS = {"mllp": Mllp, "http": ingest}

__all__ = ["HTTP", "INGRESS", "MLLP", "Ingested", "Intake", "Interface", "Meters", "Mllp", "Settling", "Taken", "ingest"]
