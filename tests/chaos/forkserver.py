"""Starts the real program in a fraction of a second: everything is imported once, then each start is a fork.

Reads one JSON line a command on standard input: ``{"settings": {…}, "defect": "…", "crash": ["point", n]}`` starts a program;
writes one JSON line when it serves, ``{"pid": …, "http": …, "mllp": …}``, and one when it has ended, ``{"ended": pid, "status": …}``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Any

from tests.chaos import plant


def say(what: dict[str, Any]) -> None:
    """One line; a write as short as this is atomic. No lock: a child that is forked while it is held would wait for ever."""
    os.write(1, json.dumps(what).encode() + b"\n")


def child(command: dict[str, Any]) -> None:
    """Become the program; never returns."""
    from penstock import app
    from penstock.running import Running
    from penstock.settings import read_settings

    os.setsid()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    log = os.open(command["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 2)
    if command.get("defect"):
        plant_it, _ = (plant.DEFECTS | plant.MISFORTUNES)[command["defect"]]
        plant_it()
    if command.get("crash"):
        plant.crash_at(*command["crash"])

    def ready(found: Running) -> None:
        say(found._asdict())

    app.run(read_settings(workers=1, **command["settings"]), on_ready=ready)
    os._exit(0)


def reap(pid: int) -> None:
    _, status = os.waitpid(pid, 0)
    say({"ended": pid, "status": status})


def main() -> None:
    import penstock.app
    from penstock.convert import plan

    assert penstock.app and plan()  # imported and compiled before the forks, once for all of them

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                child(json.loads(line))
            finally:
                os._exit(1)
        threading.Thread(target=reap, args=(pid,), daemon=True).start()


if __name__ == "__main__":
    main()
