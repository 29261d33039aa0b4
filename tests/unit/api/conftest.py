"""The HTTP door, for every test here."""

from tests.http_door import client, parts, patient, recorded, stranger, token

__all__ = ["client", "parts", "patient", "recorded", "stranger", "token"]
