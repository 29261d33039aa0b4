"""The signing keys of a data folder."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from penstock.auth.keys import add_key, open_keys
from penstock.errors import Problem


def test_the_first_start_makes_one_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    open_keys(tmp_path)
    (file,) = (tmp_path / "keys").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_the_key_stays_over_a_restart(tmp_path: Path) -> None:
    assert open_keys(tmp_path).signing[0] == open_keys(tmp_path).signing[0]


def test_two_installations_have_different_keys(tmp_path: Path) -> None:
    assert open_keys(tmp_path / "a").signing[0] != open_keys(tmp_path / "b").signing[0]


def test_the_key_set_shows_no_private_half(tmp_path: Path) -> None:
    (key,) = open_keys(tmp_path).jwks()["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    open_keys(tmp_path)
    next((tmp_path / "keys").iterdir()).chmod(0o644)
    with pytest.raises(Problem, match="0600"):
        open_keys(tmp_path)


def test_an_added_key_signs_and_the_older_one_still_verifies(tmp_path: Path) -> None:
    keys = open_keys(tmp_path)
    old, _ = keys.signing
    add_key(tmp_path)
    new, _ = open_keys(tmp_path).signing
    assert new != old
    assert keys.find(new) is not None, "a running program finds the new key by itself"
    assert keys.find(old) is not None
    assert len(keys.jwks()["keys"]) == 2


def test_an_unknown_key_id_is_no_key(tmp_path: Path) -> None:
    assert open_keys(tmp_path).find("../../etc/passwd") is None
