"""The mapping compiler and the tables that it compiles: HL7 v2 messages to FHIR R4 resources, with lineage and remainder.

Pure: no clock, no settings, no I/O but the reading of the package's own tables. It does not know the store: `merge` is a function
of two resources. Verbs: ``plan`` (compile), ``convert``, ``merge``, ``explain``, ``to_bundle``. The semantics are in docs/mapping.md.
"""

from penstock.convert.api import convert, explain, plan, to_bundle
from penstock.convert.codes import CodeRow, read_codes
from penstock.convert.compiled import Plan
from penstock.convert.engine import Converted
from penstock.convert.explain import Explained
from penstock.convert.local import LocalCodes, local_codes
from penstock.convert.memory import Steward
from penstock.convert.rows import Row, effective, read_rows
from penstock.convert.run import Context, Lineage, Null
from penstock.convert.state import merge

__all__ = [
    "CodeRow",
    "Context",
    "Converted",
    "Explained",
    "Lineage",
    "LocalCodes",
    "Null",
    "Plan",
    "Row",
    "Steward",
    "convert",
    "effective",
    "explain",
    "local_codes",
    "merge",
    "plan",
    "read_codes",
    "read_rows",
    "to_bundle",
]
