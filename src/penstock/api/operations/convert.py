"""``$convert`` (http://hl7.org/fhir/R4/resource-operation-convert.html): a resource in one form, answered in the form that is asked for."""

from __future__ import annotations

from penstock.api.operations.call import Call, answer
from penstock.api.operations.operation import HL7, Operation, Parameter
from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.formats.fhir.validate import require


async def _convert(parts: Parts, request: Request, call: Call) -> Reply:
    resource = call.one("input")
    require(resource)
    return answer(request, resource)


CONVERT = Operation(
    "convert",
    _convert,
    "token",
    ("system",),
    "Answer a resource in the form that the Accept header asks for",
    parameters=(
        Parameter("input", "Resource", 1, text="The resource that is to be converted"),
        Parameter("output", "Resource", 1, use="out", text="The same resource in another form"),
    ),
    canonical=HL7 + "Resource-convert",
)
