"""``$versions`` (http://hl7.org/fhir/R4/capabilitystatement-operation-versions.html): the versions of FHIR that an answer may have."""

from __future__ import annotations

from penstock.api.operations.call import Call, answer_parameters
from penstock.api.operations.operation import HL7, Operation, Parameter
from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.formats.fhir.versions import VERSIONS as OTHERS

SERVED = "4.0"


async def _versions(parts: Parts, request: Request, call: Call) -> Reply:
    listed = [("version", "code", version) for version in (SERVED, *OTHERS)]
    return answer_parameters(request, *listed, ("default", "code", SERVED))


VERSIONS = Operation(
    "versions",
    _versions,
    "token",
    ("system",),
    "Which versions of FHIR the fhirVersion parameter may ask for: R4 is stored, the others are translations of what is read",
    parameters=(
        Parameter("version", "code", 1, None, use="out", text="A version, as major.minor"),
        Parameter("default", "code", 1, use="out", text="The version that is answered where none is asked for"),
    ),
    canonical=HL7 + "CapabilityStatement-versions",
)
