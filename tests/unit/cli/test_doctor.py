"""The doctor looks at everything, says what is bad, and changes nothing."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from penstock import running
from penstock.running import Running
from penstock.settings import Settings
from penstock.workbench import doctor
from penstock.workbench.doctor import examine


def _findings(**given: object) -> dict[str, tuple[bool, str]]:
    settings = Settings(**({"http": "127.0.0.1:0", "mllp": "127.0.0.1:0"} | given))  # type: ignore[arg-type]
    return {finding.what: (finding.good, finding.text) for finding in examine(settings)}


def test_on_a_good_machine_everything_is_good_and_nothing_is_made(tmp_path: Path) -> None:
    found = _findings(data=tmp_path / "data")
    assert list(found) == ["python", "postgresql", "data folder", "disk", "http", "mllp", "site"]
    assert all(good for good, _ in found.values()), found
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_another_program_has_is_bad_and_our_own_is_not(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert _findings(data=tmp_path, http=address)["http"] == (False, f"{address} is taken by another program")
        running.announce(tmp_path, Running(f"http://{address}", "", os.getpid()))
        assert _findings(data=tmp_path, http=address)["http"] == (True, f"{address} is ours")
        running.announce(tmp_path, Running("http://127.0.0.1:1", "", os.getpid()))
        assert not _findings(data=tmp_path, http=address)["http"][0], "that we run elsewhere does not make this port ours"


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:port", "127.0.0.1:99999", ""])
def test_an_address_that_is_none_is_bad(tmp_path: Path, address: str) -> None:
    assert not _findings(data=tmp_path, mllp=address)["mllp"][0]


def test_a_data_folder_that_is_a_file_is_bad(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert not _findings(data=tmp_path / "data")["data folder"][0]


def test_a_site_with_problems_is_bad(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text("colour = 1")
    assert not _findings(data=tmp_path, site=tmp_path)["site"][0]


def test_too_little_room_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_ROOM_MB", 2**40)
    assert not _findings(data=tmp_path)["disk"][0]


def test_a_database_that_does_not_answer_is_bad_and_its_password_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_WAIT_S", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    found = _findings(data=tmp_path, database=f"postgresql://me:hunter2@127.0.0.1:{port}/penstock")
    assert not found["postgresql"][0]
    assert "hunter2" not in str(found)


def test_a_database_that_answers_is_good(tmp_path: Path, server: str) -> None:
    assert _findings(data=tmp_path, database=server)["postgresql"][0]
