"""The HTTP door: FHIR REST, message ingest, the event feed, operations, health and metrics. Thin handlers over the other parts.

It is not the gateway and holds no rule about content: what a resource is, is ``formats.fhir``; what is kept, is ``store``.
``routes`` is the table of everything there is, ``door`` admits, ``app`` runs a request. Verb: ``build``.
"""
