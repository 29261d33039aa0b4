"""What was refused, told: the first few on standard error, all of them in a file where one is wanted."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

from penstock.workbench.load.worker import Refused

_SHOWN = 20


class Teller:
    """``with Teller(files, errors) as teller``: ``errors`` gets one JSON object a line."""

    def __init__(self, files: Sequence[Path], errors: Path | None) -> None:
        self._files = files
        self._path = errors
        self._file: IO[bytes] | None = None
        self._told = 0

    def __enter__(self) -> Self:
        if self._path is not None:
            self._file = self._path.open("wb")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()

    def tell(self, refused: Refused) -> None:
        """One of them."""
        place = refused.place
        where = {"file": str(self._files[place.file]), "line": place.line, "entry": place.entry}
        if self._file is not None:
            why = {"code": refused.code, "text": refused.text, "at": refused.at, "trace_id": refused.trace_id}
            self._file.write(msgspec.json.encode(where | why) + b"\n")
        self._told += 1
        if self._told <= _SHOWN:
            line = f" line {place.line}" if place.line else ""
            entry = f" entry {place.entry}" if place.entry >= 0 else ""
            at = f" (at {refused.at})" if refused.at else ""
            sys.stderr.write(f"{self._files[place.file].name}{line}{entry}: {refused.text}{at}\n")
        elif self._told == _SHOWN + 1:
            sys.stderr.write("more were refused: name a file with --errors to see them all\n")
