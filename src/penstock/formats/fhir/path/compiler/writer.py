"""Python source under construction.

It holds only names of ours, property names from the definitions, and constants that it refers to as ``k0``, ``k1``, …: no text of an
expression reaches the compiler of Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.errors import Problem

#: Loops in loops, and blocks in blocks; Python itself allows 20 and 100.
MAX_LOOPS = 15
MAX_BLOCKS = 80
#: Lines of one function. The longest expression that R4 itself states makes some 300.
MAX_LINES = 20_000


class Writer:
    """Lines, fresh names, constants. ``place`` is where in the expression the lines come from."""

    def __init__(self, **names: Any) -> None:
        self.lines: list[str] = []
        self.places: list[int] = []
        self.place = 0
        self.names: dict[str, Any] = dict(names)
        self.depth = 1
        self.loops = 0
        self._fresh = 0

    def line(self, text: str) -> None:
        if len(self.lines) >= MAX_LINES:
            raise Problem("too-costly", "the expression is too long")
        self.lines.append("    " * self.depth + text)
        self.places.append(self.place)

    def block(self, text: str) -> _Block:
        """``with writer.block("if x:"):`` indents what follows."""
        self.line(text)
        return _Block(self, loop=text.startswith("for "))

    def fresh(self, prefix: str = "v") -> str:
        self._fresh += 1
        return f"{prefix}{self._fresh}"

    def let(self, code: str) -> str:
        """A name for the value of ``code``."""
        name = self.fresh()
        self.line(f"{name} = {code}")
        return name

    def constant(self, value: Any) -> str:
        name = self.fresh("k")
        self.names[name] = value
        return name

    def use(self, function: Callable[..., Any]) -> str:
        """The name by which the code calls one of our functions."""
        self.names.setdefault(function.__name__, function)
        if self.names[function.__name__] is not function:
            return self.constant(function)
        return str(function.__name__)

    def function(self, name: str, parameters: str) -> Callable[..., Any]:
        """Compile what was written into a function."""
        source = "\n".join([f"def {name}({parameters}):", *(self.lines or ["    pass"])])
        exec(compile(source, f"<{name}>", "exec"), self.names)  # noqa: S102  this source is ours alone, see above
        made: Callable[..., Any] = self.names[name]
        return made

    def enter(self, loop: bool) -> None:
        self.depth += 1
        self.loops += loop
        if self.loops > MAX_LOOPS or self.depth > MAX_BLOCKS:
            raise Problem("too-costly", "the expression walks through too many levels")

    def leave(self, loop: bool) -> None:
        self.depth -= 1
        self.loops -= loop


class _Block:
    def __init__(self, writer: Writer, loop: bool) -> None:
        self._writer, self._loop = writer, loop

    def __enter__(self) -> None:
        self._writer.enter(self._loop)

    def __exit__(self, *_: object) -> None:
        self._writer.leave(self._loop)
