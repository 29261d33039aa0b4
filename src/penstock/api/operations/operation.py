"""What an operation is (http://hl7.org/fhir/R4/operations.html): its name, where it is called, what it takes and gives, and who may.

One value of :class:`Operation` is the routes, the permission, the check of what comes in, the OperationDefinition and the line in the
CapabilityStatement.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from penstock.api.operations.call import Call
    from penstock.api.parts import Parts
    from penstock.api.reply import Reply
    from penstock.api.request import Request

Level = Literal["system", "type", "instance", "version"]
#: The handler of an operation: ``call`` holds what was given, checked against the parameters that the operation declares.
Handler = Callable[["Parts", "Request", "Call"], Awaitable["Reply"]]

HL7 = "http://hl7.org/fhir/OperationDefinition/"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. ``type`` is a FHIR type, ``Resource`` for any resource, or ``""`` where it has ``parts``; ``most`` is None for ``*``.

    ``use`` is ``in`` or ``out``; a part has the use of its parent.
    """

    name: str
    type: str = ""
    least: int = 0
    most: int | None = 1
    use: str = "in"
    text: str = ""
    parts: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """``code`` is its name without the dollar sign; ``types`` are the resource types that it is called on, none for every type.

    ``policy`` is that of a route (see ``router``): ``fhir:<interaction>`` on the type of the path, or ``token`` where the handler
    decides by what it touches. ``changes`` says that it affects the state of the server: it is not called by GET then.
    ``canonical`` is the definition by others that this one implements. ``open`` lets the URL have parameters that are not declared: search
    parameters with their modifiers, which the handler reads from the request. ``raw`` leaves the body to the handler.
    """

    code: str
    handler: Handler
    policy: str
    levels: tuple[Level, ...]
    text: str
    types: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    changes: bool = False
    canonical: str = ""
    open: bool = False
    raw: bool = False

    @property
    def id(self) -> str:
        """The id of its OperationDefinition here, like those of the specification: ``ValueSet-expand``."""
        return self.canonical.rpartition("/")[2] or "-".join((*self.types[:1], self.code))

    @property
    def takes(self) -> tuple[Parameter, ...]:
        """The parameters that come in."""
        return tuple(each for each in self.parameters if each.use == "in")

    @property
    def methods(self) -> tuple[str, ...]:
        """How it is called (operations.html#executing): by GET only where nothing changes."""
        return ("POST",) if self.changes else ("GET", "HEAD", "POST")


def definition(operation: Operation, base: str) -> dict[str, Any]:
    """Its OperationDefinition, under the URL of our FHIR endpoint."""
    found: dict[str, Any] = {
        "resourceType": "OperationDefinition",
        "id": operation.id,
        "url": f"{base}/OperationDefinition/{operation.id}",
        "name": "".join(word.capitalize() for word in operation.id.replace("$", "").split("-")),
        "status": "active",
        "kind": "operation",
        "description": operation.text,
        "affectsState": operation.changes,
        "code": operation.code,
    }
    if operation.canonical:
        found["base"] = operation.canonical
    found["resource"] = list(operation.types) or ["Resource"]
    found |= {level: level in operation.levels for level in ("system", "type", "instance")}
    if operation.parameters:
        found["parameter"] = [_parameter(each, each.use) for each in operation.parameters]
    return found


def _parameter(parameter: Parameter, use: str) -> dict[str, Any]:
    most = "*" if parameter.most is None else str(parameter.most)
    found: dict[str, Any] = {"name": parameter.name, "use": use, "min": parameter.least, "max": most}
    if parameter.text:
        found["documentation"] = parameter.text
    if parameter.type:
        found["type"] = parameter.type
    if parameter.parts:
        found["part"] = [_parameter(each, use) for each in parameter.parts]
    return found
