"""Invented people and messages: what the demonstration plays, and what benchmarks and chaos runs are fed.

Nobody here exists. The same seed gives the same people and the same bytes.
"""

from __future__ import annotations

from importlib.resources import files


def sample_messages() -> list[tuple[str, bytes]]:
    """(file name, message) of the demonstration, in the order in which it plays them; segments end in CR."""
    folder = files(__package__)
    found = sorted((file.name, file.read_bytes()) for file in folder.iterdir() if file.name.endswith(".hl7"))
    return [(name, body.replace(b"\r\n", b"\r").replace(b"\n", b"\r")) for name, body in found]
