"""The FHIR R4 REST interactions (http://hl7.org/fhir/R4/http.html): one file an interaction, each a thin handler over the store.

Bodies go out as the bytes that the store keeps; nothing is parsed to be sent.
"""
