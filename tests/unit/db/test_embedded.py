"""The embedded server under what operators and crashes do to it. Each test has its own data folder, deep below private ones of root."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.db import connect
from penstock.db import embedded as module
from penstock.db.embedded import Embedded
from penstock.db.folder import clear_remains, server_user, socket_folder
from penstock.errors import Problem

as_root = pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root on Linux changes users")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and the parent-death signal")

#: Words that run a program as nobody. The right to read is for the Python, which may live under /root.
PLAIN = [
    *("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"),
    *("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Embedded]:
    embedded = Embedded(tmp_path / "data", shared_buffers_mb=16)
    embedded.start()
    yield embedded
    embedded.stop()


def ask(embedded: Embedded, sql: str) -> object:
    return asyncio.run(_ask(embedded.url, sql))


async def _ask(url: str, sql: str) -> object:
    database = await connect(url, size=1)
    try:
        async with database.connection() as tx:
            return await tx.fetchval(sql)
    finally:
        await database.close()


def status(pid: int | None) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@as_root
def test_root_runs_it_below_a_private_folder_without_opening_that(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    users = Path("/etc/passwd").read_bytes()
    embedded = Embedded(private / "data", shared_buffers_mb=16)
    embedded.start()
    try:
        assert ask(embedded, "select 1") == 1
        user = server_user(private / "data", private / "data" / "postgres")
        of = status(embedded.pid)
        assert user is not None and of["Uid"].split() == [str(user.uid)] * 4 and user.uid != 0
        assert int(of["CapEff"], 16) == 1 << 2  # CAP_DAC_READ_SEARCH alone
        assert of["NoNewPrivs"] == "1"
    finally:
        embedded.stop()
    assert private.stat().st_mode & 0o777 == 0o700 and private.stat().st_uid == 0
    assert (private / "data" / "postgres").stat().st_mode & 0o777 == 0o700
    assert Path("/etc/passwd").read_bytes() == users


@as_root
def test_below_a_folder_that_others_may_enter_it_has_no_capability_at_all(request: pytest.FixtureRequest) -> None:
    place = Path("/tmp") / f"penstock-test-{os.getpid()}"
    place.mkdir(mode=0o755)
    embedded = Embedded(place / "data", shared_buffers_mb=16)
    try:
        embedded.start()
        assert int(status(embedded.pid)["CapEff"], 16) == 0
    finally:
        embedded.stop()
        subprocess.run(["rm", "-rf", place], check=True)


@as_root
def test_root_without_the_right_to_read_everywhere_is_told_which_folder_is_closed(tmp_path: Path) -> None:
    program = "import sys; from pathlib import Path; from penstock.db.embedded import Embedded; Embedded(Path(sys.argv[1])).start()"
    contained = ["setpriv", "--bounding-set", "-dac_read_search", "--"]
    said = subprocess.run([*contained, sys.executable, "-c", program, tmp_path / "data"], capture_output=True, text=True, timeout=60)
    assert "cannot enter this folder" in said.stderr and str(tmp_path / "data") in said.stderr


@as_root
def test_a_plain_user_runs_it_as_themselves(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, 65534, 65534)
    program = (
        "import sys; from pathlib import Path; from penstock.db.embedded import Embedded; e = Embedded(Path(sys.argv[1]));"
        "e.start(); print(open(f'/proc/{e.pid}/status').read()); e.stop()"
    )
    said = subprocess.run([*PLAIN, sys.executable, "-c", program, data], capture_output=True, text=True, timeout=60, cwd="/")
    assert said.returncode == 0, said.stderr
    assert "Uid:\t65534\t65534" in said.stdout


def test_a_second_program_on_the_same_folder_is_refused_with_the_name_of_the_folder(server: Embedded, tmp_path: Path) -> None:
    with pytest.raises(Problem) as refused:
        Embedded(tmp_path / "data").start()
    assert refused.value.code == "lock-error" and refused.value.at == str(tmp_path / "data")
    assert server.pid is not None


def test_it_keeps_what_it_was_given_over_a_stop(server: Embedded) -> None:
    ask(server, "create table t as select 7 as n")
    server.stop()
    assert server.pid is None
    began = time.monotonic()
    server.start()
    assert time.monotonic() - began < 3
    assert ask(server, "select n from t") == 7


@on_linux
async def test_a_killed_server_is_started_again_though_a_backend_is_still_busy(server: Embedded) -> None:
    database = await connect(server.url, size=2)
    async with database.connection() as tx:
        await tx.execute("create table t (n int)")
        await tx.execute("insert into t values (1)")
        backend = await tx.fetchval("select pg_backend_pid()")
    with pytest.raises(Problem) as broken:
        async with database.transaction() as tx:
            await tx.execute("insert into t values (2)")
            os.kill(backend, signal.SIGSTOP)  # one that cannot notice that its server has gone
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
            await tx.execute("select 1")
    assert broken.value.code == "transient"
    async with database.connection() as tx:
        assert await tx.fetchval("select count(*) from t") == 1
    assert server.restarts == 1
    await database.close()


@on_linux
@pytest.mark.parametrize("words", [pytest.param([], id="as_we_are"), pytest.param(PLAIN, id="as_a_plain_user", marks=as_root)])
def test_it_dies_with_its_program_and_starts_again_after(tmp_path: Path, words: list[str]) -> None:
    program = (
        "import sys, time; from pathlib import Path; from penstock.db.embedded import Embedded; e = Embedded(Path(sys.argv[1]));"
        "e.start(); print(e.pid, flush=True); time.sleep(60)"
    )
    data = tmp_path / "data"
    data.mkdir()
    if words:
        os.chown(data, 65534, 65534)
    with subprocess.Popen([*words, sys.executable, "-c", program, data], stdout=subprocess.PIPE, cwd="/") as killed:
        assert killed.stdout is not None
        pid = int(killed.stdout.readline())
        killed.kill()
    try:
        end = time.monotonic() + 10
        while Path(f"/proc/{pid}/cwd").exists() and time.monotonic() < end:
            time.sleep(0.01)
        assert time.monotonic() < end
    finally:
        clear_remains(data / "postgres")
    embedded = Embedded(data, shared_buffers_mb=16)
    embedded.start()
    embedded.stop()


@on_linux
def test_an_orphan_in_the_cluster_is_ended_before_a_new_start_and_nobody_else(tmp_path: Path) -> None:
    (tmp_path / "postmaster.pid").write_text("1\n")
    (tmp_path / "postgres").symlink_to("/bin/sleep")
    with (
        subprocess.Popen([tmp_path / "postgres", "60"], cwd=tmp_path) as orphan,
        subprocess.Popen(["sleep", "60"], cwd=tmp_path) as visitor,
        subprocess.Popen([tmp_path / "postgres", "60"], cwd="/") as stranger,
    ):
        clear_remains(tmp_path)
        assert orphan.wait(timeout=5) != 0
        assert visitor.poll() is None and stranger.poll() is None
        visitor.kill()
        stranger.kill()
    assert not (tmp_path / "postmaster.pid").exists()


async def test_a_start_that_is_cancelled_leaves_no_server(tmp_path: Path) -> None:
    embedded = Embedded(tmp_path / "data", shared_buffers_mb=16)
    starting = asyncio.create_task(embedded.__aenter__())
    await asyncio.sleep(0.2)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert embedded.pid is None


def test_a_pid_file_that_names_somebody_else_does_not_stop_the_start(server: Embedded, tmp_path: Path) -> None:
    server.stop()
    if sys.platform == "linux":
        with subprocess.Popen(["sleep", "60"], cwd="/", user=server_uid(tmp_path)) as stranger:
            (tmp_path / "data" / "postgres" / "postmaster.pid").write_text(f"{stranger.pid}\n{tmp_path}\n1\n5432\n\n\n\nready\n")
            server.start()
            assert stranger.poll() is None
            stranger.kill()


def server_uid(tmp_path: Path) -> int:
    return (tmp_path / "data" / "postgres").stat().st_uid


def test_a_half_made_cluster_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "data" / "postgres.new" / "base").mkdir(parents=True)
    embedded = Embedded(tmp_path / "data", shared_buffers_mb=16)
    embedded.start()
    embedded.stop()
    assert not (tmp_path / "data" / "postgres.new").exists()


def test_a_path_too_long_for_a_socket_gets_a_short_private_one(tmp_path: Path) -> None:
    embedded = Embedded(tmp_path / ("long, " + "x" * 120), shared_buffers_mb=16)
    embedded.start()
    try:
        assert ask(embedded, "select 1") == 1
        place = Path(str(ask(embedded, "show unix_socket_directories")))
        assert place.stat().st_mode & 0o777 == 0o700
    finally:
        embedded.stop()
    place.rmdir()


def test_a_socket_folder_that_somebody_else_may_enter_is_refused(tmp_path: Path) -> None:
    cluster = tmp_path / ("x" * 120)
    place = socket_folder(cluster, None)
    place.chmod(0o777)
    with pytest.raises(Problem, match="somebody else"):
        socket_folder(cluster, None)
    place.rmdir()


def test_a_cluster_of_another_major_version_is_refused_and_untouched(tmp_path: Path) -> None:
    cluster = tmp_path / "data" / "postgres"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("9\n")
    with pytest.raises(Problem, match="another major version"):
        Embedded(tmp_path / "data").start()
    assert [path.name for path in cluster.iterdir()] == ["PG_VERSION"]


def test_an_unsafe_server_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
        with monkeypatch.context() as unsafe:
            unsafe.setitem(module.CONFIGURATION, setting, "off")
            embedded = Embedded(tmp_path / "data", shared_buffers_mb=16)
        embedded.start()
        try:
            with pytest.raises(Problem, match=f"unsafe {setting}"):
                asyncio.run(connect(embedded.url))
        finally:
            embedded.stop()


def test_its_log_holds_no_values(server: Embedded, tmp_path: Path) -> None:
    with pytest.raises(Problem):
        ask(server, "select 'Smith'::int")
    ask(server, "create table t (name text primary key)")
    ask(server, "insert into t values ('Smith')")
    with pytest.raises(Problem):
        ask(server, "insert into t values ('Smith')")
    assert b"Smith" not in (tmp_path / "data" / "postgres.log").read_bytes()


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Problem, match="cannot be used") as refused:
        Embedded(tmp_path / "file" / "data").start()
    assert refused.value.at == str(tmp_path / "file" / "data")
