"""FHIRPath (http://hl7.org/fhirpath/N1/, http://hl7.org/fhir/R4/fhirpath.html) compiled to Python.

``program(expression, type)`` gives a :class:`Program`: called with a resource or element and an :class:`Env` it answers with all items as
JSON values; ``Program.true`` answers a condition. ``places(expression, type)`` says where in a resource the selected items are.

``lexer`` and ``parser`` know the grammar; ``build`` types the tree against the definitions and writes code, with ``paths``, ``operators``,
``calls`` and ``loops``; ``items``, ``compare``, ``arithmetic``, ``temporal``, ``quantity``, ``texts``, ``conversions``, ``bags`` and
``tree`` are what that code calls. What cannot be right is refused when it is compiled, with line and column. Work is bounded.

Search finds its values another way: ``flow`` and ``generate`` split an expression into straight walks, each of one type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.formats.fhir.path.parser import parse
from penstock.formats.fhir.path.program import Program, places, program
from penstock.formats.fhir.path.runtime.env import NOWHERE, Env
from penstock.formats.fhir.path.runtime.items import Item

__all__ = ["NOWHERE", "Env", "Item", "Program", "compile", "parse", "places", "program"]


def compile(expression: str, type: str) -> Callable[[dict[str, Any]], list[Any]]:
    """The function that an expression is, where nothing surrounds the resource."""
    return program(expression, type)
