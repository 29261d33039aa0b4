"""What FHIR R4 (4.0.1) says, compiled from its own tables: decode, encode, check, compile, extract.

Pure functions over plain dicts: no class per resource type, no I/O but reading the tables that lie in the package, no clock.
"""
