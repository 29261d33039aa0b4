"""A running program is found by its data folder; one that died is not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from penstock import running
from penstock.errors import Problem
from penstock.running import Running

HERE = Running("http://127.0.0.1:8080", "mllp://127.0.0.1:2575", os.getpid(), "https://fhir.example.org")


def test_a_program_is_found_until_it_withdraws(tmp_path: Path) -> None:
    running.announce(tmp_path, HERE)
    assert running.find(tmp_path) == HERE
    assert [path.name for path in tmp_path.iterdir()] == ["running.json"]
    running.withdraw(tmp_path)
    running.withdraw(tmp_path)
    with pytest.raises(Problem) as caught:
        running.find(tmp_path)
    assert caught.value.code == "not-found"


def test_the_note_of_a_program_that_was_killed_is_not_believed(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    running.announce(tmp_path, HERE._replace(pid=gone.pid))
    with pytest.raises(Problem):
        running.find(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"http": 1}', '{"pid": 1, "stranger": 2}', '{"http": "", "mllp": "", "pid": "1"}'])
def test_a_note_that_cannot_be_read_is_no_program(tmp_path: Path, text: str) -> None:
    (tmp_path / "running.json").write_text(text)
    with pytest.raises(Problem) as caught:
        running.find(tmp_path)
    assert caught.value.code == "not-found"


def test_the_later_of_two_programs_is_the_one_that_is_found(tmp_path: Path) -> None:
    running.announce(tmp_path, HERE)
    running.announce(tmp_path, HERE._replace(http="http://127.0.0.1:9"))
    assert running.find(tmp_path).http == "http://127.0.0.1:9"
