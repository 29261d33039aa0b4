"""FHIR XML (http://hl7.org/fhir/R4/xml.html): ``decode`` and ``encode``, for every type that the definitions know.

The same resources as :mod:`penstock.formats.fhir.json`, as the same plain dicts. Decimals keep their digits, a narrative keeps its very
text. Neither side validates: a value is only refused where JSON could not hold it, a property only where XML has no place for it.
"""

from __future__ import annotations

from penstock.formats.fhir.xml.read import decode
from penstock.formats.fhir.xml.write import encode

__all__ = ["decode", "encode"]
