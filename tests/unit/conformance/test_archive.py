"""Archives from people who mean us harm."""

from __future__ import annotations

import contextlib
import gzip
import io
import tarfile
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.conformance.archive import Limits, files
from penstock.errors import Problem

SMALL = Limits(packed=10_000, unpacked=100_000, file=20_000, files=10, path=60)


def archive(*members: tuple[str, bytes], change: Callable[[tarfile.TarInfo], Any] = lambda info: None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            change(info)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def test_files_come_in_their_order_and_whole() -> None:
    members = [("package/package.json", b"{}"), ("package/a.json", b"x" * 3000), ("package/empty.json", b"")]
    assert list(files(archive(*members), SMALL)) == members


@pytest.mark.parametrize("path", ["../a.json", "/etc/passwd", "package/../../a.json", "package\\..\\a.json", "p/" + "x" * 60])
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(Problem, match="path"):
        list(files(archive((path, b"{}")), SMALL))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(kind: bytes) -> None:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.linkname, info.size = kind, "/etc/passwd", 0

    with pytest.raises(Problem, match="something else"):
        list(files(archive(("package/a.json", b""), change=change), SMALL))


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ([("package/big.json", b"x" * 20_001)], "too-costly"),
        ([(f"package/{n}.json", b"x" * 19_000) for n in range(7)], "too-costly"),
        ([(f"package/{n}.json", b"") for n in range(11)], "too-costly"),
    ],
)
def test_more_than_is_accepted_is_refused_while_it_unpacks(members: list[tuple[str, bytes]], code: str) -> None:
    with pytest.raises(Problem) as refused:
        list(files(archive(*members), SMALL))
    assert refused.value.code == code


def test_a_bomb_does_not_go_off() -> None:
    bomb = archive(("package/a.json", b" " * 20_000), *[(f"package/{n}", b"") for n in range(5)])
    bomb = gzip.compress(gzip.decompress(bomb)[:-1024].rstrip(b"\0") + b"x" * 50_000_000)
    with pytest.raises(Problem) as refused:
        list(files(bomb, SMALL._replace(packed=10**6)))
    assert refused.value.code in ("too-costly", "structure")
    with pytest.raises(Problem, match="larger"):
        list(files(bomb, SMALL._replace(packed=1000)))


def test_an_archive_that_is_cut_or_none_at_all_is_refused() -> None:
    whole = archive(("package/a.json", b"{}" * 500), ("package/b.json", bytes(range(256)) * 20))
    for end in range(0, len(whole) - 20, 7):
        with pytest.raises(Problem):
            list(files(whole[:end], SMALL))
    for text in (b"", b"PK\x03\x04", b"{}", gzip.compress(b"not a tar" * 100)):
        with pytest.raises(Problem):
            list(files(text, SMALL))


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_damaged_archive_is_a_problem_and_never_an_exception(data: st.DataObject) -> None:
    raw = bytearray(gzip.decompress(archive(("package/a.json", b"{}" * 100), ("package/b.json", b"[]"))))
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Problem):
        assert all(len(content) <= SMALL.file for _, content in files(gzip.compress(bytes(raw)), SMALL))
