"""The types of FHIR R4: ``from penstock.sdk.r4 import Patient``. A resource is a plain dict; its type is for type checkers.

What they see is ``r4.pyi``, generated from the definitions. Here a type is made when it is asked for, and knows its name.
"""

from __future__ import annotations

from typing import Any, TypedDict

from penstock.formats.fhir.definitions import r4


def __getattr__(name: str) -> Any:
    """A resource type or data type; of backbone elements (``PatientContact``) only the resource that they begin with is checked."""
    known = r4().resource_types | r4().data_types
    if not name[:1].isupper() or not any(name.startswith(type_) for type_ in known):
        raise AttributeError(name)
    made = globals()[name] = TypedDict(name, {}, total=False)  # type: ignore[operator] # the stub has the types
    return made
