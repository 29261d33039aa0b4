"""Penstock: HL7 v2, documents, devices and FHIR in; FHIR R4 stored; every change told; every value traceable to its bytes.

The folders are the sentence: ``ingress → INBOX → flow(convert → match → store) → EVENTS → delivery``.
ARCHITECTURE.md in the project's root is the map.
"""

__version__ = "0.1.0"
