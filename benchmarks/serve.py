"""The program under measurement: started as a user starts it, on a data folder of its own, and its memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PENSTOCK = Path(sys.executable).parent / "penstock"
SCOPE = "system/*.cruds admin/*.* events/*.* ingest/v2.c"


@dataclass
class Served:
    """A running program: its addresses, a token, its process id and data folder."""

    http: tuple[str, int]
    mllp: tuple[str, int]
    token: str
    pid: int
    data: Path

    @property
    def database(self) -> str:
        """URL of its embedded PostgreSQL."""
        return f"postgresql://penstock@/penstock?host={self.data}/postgres&port=5432"

    def memory_mb(self) -> float:
        """Proportional set size of the program and all its children, in MB."""
        children = subprocess.run(["pgrep", "-P", str(self.pid)], capture_output=True, text=True, check=False).stdout.split()
        postgres = [
            c
            for child in children
            for c in subprocess.run(["pgrep", "-P", child], capture_output=True, text=True, check=False).stdout.split()
        ]
        return sum(_pss(int(pid)) for pid in (str(self.pid), *children, *postgres)) / 1024


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


@contextmanager
def served(*arguments: str, site: dict[str, str] | None = None, **environment: str) -> Iterator[Served]:
    """A program with ``site`` (file name to text) until the block is left."""
    with tempfile.TemporaryDirectory(prefix="penstock-bench-", dir=os.environ.get("PENSTOCK_BENCH_DIR")) as folder:
        Path(folder).chmod(0o755)
        for name, text in (site or {}).items():
            path = Path(folder) / "site" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        data = Path(folder) / "data"
        command = [
            str(Path(sys.executable).parent / "penstock"),
            "up",
            "--data",
            str(data),
            "--http",
            "127.0.0.1:0",
            "--mllp",
            "127.0.0.1:0",
        ]
        command += [*(["--site", str(Path(folder) / "site")] if site else []), *arguments]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PENSTOCK_LOG_LEVEL": "warning"} | environment
        )
        try:
            assert process.stdout is not None
            words = dict(word.split("=", 1) for word in process.stdout.readline().split()[2:])
            token = subprocess.check_output([PENSTOCK, "token", "--client", "bench", "--scope", SCOPE, "--data", data], text=True).split()[
                -1
            ]
            yield Served(_address(words.get("http", "")), _address(words.get("mllp", "")), token, process.pid, data)
        finally:
            process.terminate()
            process.wait(timeout=60)
            if process.stdout:
                process.stdout.close()


def _address(url: str) -> tuple[str, int]:
    host, _, port = url.rpartition("/")[2].rpartition(":")
    return (host, int(port)) if port else ("", 0)
