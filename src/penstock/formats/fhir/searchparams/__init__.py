"""What a resource can be found by: its search parameters' expressions, compiled, and their values, normalised.

One function a resource type is written and compiled when the type is first seen; expressions that begin alike share their walk.
It expects a resource that passed ``validate.check``. :class:`Parameters` are the search parameters in force; ``extract`` those of R4.
"""

from __future__ import annotations

from penstock.formats.fhir.dates import span as date_span
from penstock.formats.fhir.searchparams.indexed import Indexed
from penstock.formats.fhir.searchparams.numbers import number_span
from penstock.formats.fhir.searchparams.parameters import R4, Parameters

__all__ = ["R4", "Indexed", "Parameters", "date_span", "extract", "number_span"]

extract = R4.extract
