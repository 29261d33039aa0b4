"""The real program in a process of its own, as a user starts it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.sending import Answer, send
from penstock.settings import Settings
from penstock.workbench import mint_token

BIN = Path(sys.executable).parent / "penstock"


@dataclass
class Program:
    """A running ``penstock up``: its addresses, its data folder, and what it printed so far."""

    process: subprocess.Popen[str]
    http: str
    mllp: str
    data: Path

    def client(self, scope: str = "system/*.cruds admin/*.* events/*.* ingest/v2.c") -> httpx.Client:
        token = mint_token(Settings(data=self.data), client="test", scope=scope, lifetime=timedelta(minutes=30))
        return httpx.Client(base_url=self.http, headers={"Authorization": f"Bearer {token}", "Accept": "application/fhir+json"}, timeout=30)

    def send(self, *messages: bytes) -> list[Answer]:
        return list(send(messages, self.mllp))

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([BIN, *arguments, "--data", str(self.data)], capture_output=True, text=True, check=False, timeout=60)

    def settle(self, client: httpx.Client) -> None:
        """Until nothing that was accepted is in flight."""
        for _ in range(600):
            counts = client.get("/admin/v1/conservation").json()["interfaces"]
            if counts and not any(one["in_flight"] for one in counts.values()):
                return
            time.sleep(0.05)
        raise AssertionError(counts)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=60)


Start = Callable[..., Program]


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """Start programs; those still running at the end are stopped."""
    started: list[Program] = []
    with tempfile.TemporaryDirectory(prefix="penstock-e2e-") as folder:
        Path(folder).chmod(0o755)

        def begin(*arguments: str, data: Path | None = None, **environment: str) -> Program:
            data = data or Path(folder) / f"data{len(started)}"
            log = (Path(folder) / f"log{len(started)}").open("w")
            process = subprocess.Popen(
                [BIN, "up", "--data", str(data), "--http", "127.0.0.1:0", "--mllp", "127.0.0.1:0", *arguments],
                stdout=subprocess.PIPE, stderr=log, text=True, env=os.environ | environment,
            )  # fmt: skip
            log.close()
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("penstock ready "), Path(log.name).read_text()
            words = dict(word.split("=", 1) for word in line.split()[2:])
            program = Program(process, words["http"], words["mllp"], data)
            started.append(program)
            return program

        yield begin
        for program in started:
            if program.process.poll() is None:
                program.stop()
            if program.process.stdout:
                program.process.stdout.close()


@pytest.fixture(scope="module")
def program(start: Start) -> Program:
    """One program for the tests of a file."""
    return start()


def bundle_resources(answer: httpx.Response) -> list[dict[str, Any]]:
    """The resources of a searchset."""
    assert answer.status_code == 200, answer.text
    return [entry["resource"] for entry in answer.json().get("entry", [])]
