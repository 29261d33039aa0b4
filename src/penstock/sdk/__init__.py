"""A typed FHIR client for Python programs: what is read, searched, written and bundled has the types of R4.

It shares the definitions and the validation with the server: what it sends is valid, or never leaves. It is not a way into the program
itself: everything goes over HTTP with a token. Verbs: ``read``, ``vread``, ``search``, ``create``, ``update``, ``delete``, ``history``,
``commit`` (a transaction).

    from penstock.sdk import Client, Transaction
    from penstock.sdk.r4 import Observation, Patient

    client = Client("https://fhir.example/fhir", token)
    for patient in client.search(Patient, family="Ashgrove"):
        print(patient["birthDate"])
"""

from penstock.sdk.client import Client, Stored
from penstock.sdk.transaction import Done, Transaction

__all__ = ["Client", "Done", "Stored", "Transaction"]
