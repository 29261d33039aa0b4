"""The folder of the embedded PostgreSQL: who may use it, as which user the server runs, where its socket is, what a crash left there.

Nothing here adds users or widens a folder. A root-owned program never writes into the cluster, which a lesser user owns.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple

from penstock.errors import Problem

#: Longest path of a unix socket: sun_path holds 108 bytes on Linux and 104 on macOS, with the closing NUL.
_SOCKET_MAX = 107 if sys.platform == "linux" else 103
_SOCKET_NAME = "/.s.PGSQL.5432"


class User(NamedTuple):
    """The user the server runs as."""

    uid: int
    gid: int


def lock(folder: Path) -> IO[bytes]:
    """Take the data folder for this process, for as long as the returned file is open; another holder raises ``lock-error``."""
    file = (folder / "penstock.lock").open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise Problem("lock-error", "another Penstock runs on this data folder", at=str(folder)) from None
    return file


def server_user(folder: Path, cluster: Path) -> User | None:
    """The unprivileged user for the server when we are root (which PostgreSQL refuses to be), else None: ourselves.

    The owner of the cluster, else the owner of the data folder, else nobody.
    """
    if os.geteuid() != 0:
        if cluster.exists() and cluster.stat().st_uid != os.geteuid():
            raise Problem("no-store", "the database in this data folder belongs to another user", at=str(folder))
        return None
    for place in (cluster, folder):
        if place.exists() and (uid := place.stat().st_uid) != 0 and _is_known(uid):
            return User(uid, place.stat().st_gid)
    nobody = pwd.getpwnam("nobody")
    return User(nobody.pw_uid, nobody.pw_gid)


def _is_known(uid: int) -> bool:
    try:
        return bool(pwd.getpwuid(uid))
    except KeyError:  # initdb looks the name up
        return False


def can_reach(user: User, path: Path) -> bool:
    """Whether a user may enter every folder above ``path``."""
    return all(_may_enter(user, folder) for folder in path.resolve().parents)


def _may_enter(user: User, folder: Path) -> bool:
    status = folder.stat()
    bit = 0o100 if status.st_uid == user.uid else 0o010 if status.st_gid == user.gid else 0o001
    return bool(status.st_mode & bit)


def command_prefix(user: User | None, *paths: Path) -> list[str]:
    """Words before a command that run it as ``user``, dying with this program (on Linux), able to reach ``paths``.

    Where ``user`` may not enter the folders above, as under a private home of root, the command may read and search everywhere
    (CAP_DAC_READ_SEARCH, and nothing more), since the alternative would be to open those folders to everybody.
    """
    setpriv = shutil.which("setpriv", path=os.defpath + ":/usr/sbin:/sbin") if sys.platform == "linux" else None
    if user is None:
        return [setpriv, "--pdeathsig", "INT", "--no-new-privs", "--"] if setpriv else []
    reachable = all(can_reach(user, path) for path in paths)
    if not reachable and not (setpriv and _may_pass_on_reading()):
        raise Problem(
            "no-store", "the user of the database server cannot enter this folder: choose one that others may pass", at=str(paths[0])
        )
    if not setpriv:
        return []
    words = [setpriv, "--reuid", str(user.uid), "--regid", str(user.gid), "--clear-groups", "--pdeathsig", "INT", "--no-new-privs"]
    return [*words, *([] if reachable else ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]), "--"]


def _may_pass_on_reading() -> bool:
    """Whether we hold CAP_DAC_READ_SEARCH (2) ourselves: root in a container often does not."""
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return found is not None and bool(int(found[1], 16) & 1 << 2)


def socket_folder(cluster: Path, user: User | None) -> Path:
    """Where the socket is: in the cluster, else (the path is too long or has a comma or a quote) in a private temporary folder."""
    if len(os.fsencode(str(cluster) + _SOCKET_NAME)) <= _SOCKET_MAX and not set(',"%') & set(str(cluster)):
        return cluster
    uid = os.geteuid() if user is None else user.uid
    name = f"penstock-{uid}-{hashlib.sha256(os.fsencode(cluster)).hexdigest()[:16]}"
    place = Path(tempfile.gettempdir()) / name
    if len(os.fsencode(str(place) + _SOCKET_NAME)) > _SOCKET_MAX:
        place = Path("/tmp") / name  # its owner and mode are checked below
    try:
        place.mkdir(mode=0o700)
        if user is not None:
            os.chown(place, user.uid, user.gid)
    except FileExistsError:
        status = place.lstat()
        if place.is_symlink() or status.st_uid != uid or status.st_mode & 0o077:
            raise Problem("no-store", "somebody else made the folder for the database's socket", at=str(place)) from None
    return place


def clear_remains(cluster: Path) -> None:
    """End what a killed program or a killed server left running in the cluster, so that a new server can start.

    Safe under :func:`lock` only: then whatever runs there is an orphan of ours. A living server may finish what it does; processes whose
    server is dead cannot commit any more and are killed. A pid file is removed only when we saw that nobody lives.
    """
    find = _inhabitants if sys.platform == "linux" else _postmaster
    clean = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 3.0)) if _pid(cluster) in find(cluster) else ()
    for number, seconds in (*clean, (signal.SIGKILL, 10.0)):
        if _end(cluster, find, number, seconds):
            break
    else:
        raise Problem("no-store", "an old server still runs on the database and cannot be ended", at=str(cluster))
    if sys.platform == "linux":
        (cluster / "postmaster.pid").unlink(missing_ok=True)


def _pid(cluster: Path) -> int:
    """The process that the pid file names; 0 when there is none."""
    try:
        return int((cluster / "postmaster.pid").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0


def _end(cluster: Path, find: Callable[[Path], list[int]], number: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    told: set[int] = set()
    while living := find(cluster):
        for pid in set(living) - told:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        told.update(living)
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def _inhabitants(cluster: Path) -> list[int]:
    """The postgres processes whose working directory is the cluster: a postmaster and its children go there. Zombies are nowhere."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if (process / "comm").read_text() == "postgres\n" and (process / "cwd").samefile(cluster):
                    found.append(int(process.name))
            except OSError:
                continue
    return found


def _postmaster(cluster: Path) -> list[int]:
    """The postmaster that the pid file names, if that is what runs under its number."""
    pid = _pid(cluster)
    command = subprocess.run(["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return [pid] if f"-D {cluster}" in command else []
